"""When a renewal by schedule is due, with two toy models: an older one, and the champion that replaced it."""

import shutil
from dataclasses import replace

import pytest
from skops import io as skops_io

from healing.release import Challenger, Mode, Reason, Release
from releases.loader import load
from releases.log import ReleaseLog, promotion_of, trial_of
from releases.signing import ensure_keys
from releases.store import ModelStore
from tasks.config.settings import load_settings
from tasks.evaluation.row_sample import RowSample
from tasks.ledger.store import Ledger
from tasks.monitoring.monitored_model import monitored_model
from tasks.monitoring.renewal import freshness_gain, renewal_due
from tasks.monitoring.windows import DayRange
from tasks.training.dataset import read_dataset
from tasks.training.fit import fit_model
from tasks.training.mlflow_registry import RegisteredModel
from tasks.training.plan import plan_training
from tasks.training.publish import PublishRequest, publish
from tests.published import NOW, corrupt
from tests.toy import PIPELINE, PIPELINES_DIR, ROWS_PER_DAY, day_of, toy_labels, toy_pipeline, write_days

OLDER, ACCEPTED, EVERY = 41, 55, 14  # last day of the older model, of the champion; the schedule in days
SEEN = ACCEPTED + 28


def published(settings, until, change=None):
    """A model that was accepted on the days up to `until`, with its coefficients changed by `change`."""
    labels = toy_labels(settings.lake_root(PIPELINE))
    plan = plan_training(toy_pipeline(), labels, day_of(until), None)
    trained = fit_model(plan, read_dataset(plan, labels), toy_pipeline().estimator)
    if change is not None:
        change(trained.estimator[-1])
    registered = RegisteredModel("run", "1", "1.0.0", plan.key, NOW, 0.1, "test", {})
    request = PublishRequest(plan, trained.dataset, registered, skops_io.dumps(trained.estimator))
    return publish(request, settings.release_root(PIPELINE), ensure_keys(settings.keys_dir))


def upside_down(model):
    model.coef_[:] = -model.coef_


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with a lake, and the published older model, its worse variant, and the champion."""
    root = tmp_path_factory.mktemp("renewal")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AUTOPILOT_HOME", str(root))
        environment.setenv("AUTOPILOT_PIPELINES_DIR", str(PIPELINES_DIR))
        settings = load_settings()
        write_days(settings.lake_root(PIPELINE), 0, SEEN + 1)
        models = (
            published(settings, OLDER),
            published(settings, OLDER, upside_down),
            published(settings, ACCEPTED),
        )
    return root, models


@pytest.fixture
def promoted(tmp_path, monkeypatch, home):
    """Makes the release log of a champion that replaced an older model, or a worse one."""
    root, (usual, worse, champion) = home
    shutil.copytree(root, tmp_path / "home")
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(PIPELINES_DIR))
    settings = load_settings()

    def make(*, over_worse=False):
        older = worse if over_worse else usual
        log = ReleaseLog(settings.release_root(PIPELINE))
        log.append(Release(1, NOW, PIPELINE, "test", Reason.BOOTSTRAP, champion=older, baseline=0.5))
        trial = trial_of(log.current(), Challenger(champion, Mode.CANARY, 0.5), author="test", now=NOW)
        log.append(trial)
        log.append(promotion_of(trial, author="test", now=NOW))
        return settings, older, champion

    return make


def model_of(settings, ref, age):
    """The model as the monitor sees it `age` days after the champion's acceptance."""
    folder = ModelStore(settings.release_root(PIPELINE)).path(ref.digest)
    loaded = load(folder, ensure_keys(settings.keys_dir).public)
    lake = settings.lake_root(PIPELINE)
    return monitored_model(loaded, folder, toy_pipeline(), lake, day_of(ACCEPTED + age))


def test_the_monitor_reads_a_sample_of_a_window_and_says_how_large_it_is(promoted):
    settings, older, champion = promoted()
    model = model_of(settings, champion, 14)
    few = replace(model, rules=model.rules.model_copy(update={"rows_max": 700}))
    window = DayRange(day_of(ACCEPTED + 1), day_of(ACCEPTED + 14))
    whole, sample = model.predicted(window), few.predicted(window)
    assert sample.groupby("event_day").size().tolist() == [50] * 14
    assert few.samples == {window: RowSample(700, 14 * ROWS_PER_DAY)}
    assert model.samples == {}
    among = whole.set_index("id").loc[sample["id"]]
    assert among["prediction"].tolist() == sample["prediction"].tolist()
    before = model_of(settings, older, 14)
    assert freshness_gain(few, before).rows_per_day == pytest.approx(ROWS_PER_DAY)


def due(settings, champion, age, cost):
    pipeline = toy_pipeline()
    rules = pipeline.retrain.model_copy(update={"every_days": EVERY, "cost": cost})
    return renewal_due(settings, pipeline.model_copy(update={"retrain": rules}), model_of(settings, champion, age))


def test_a_renewal_that_gained_nothing_postpones_the_next_one_if_it_costs_something(promoted):
    settings, older, champion = promoted()
    gain = freshness_gain(model_of(settings, champion, 14), model_of(settings, older, 14))
    assert abs(gain.per_row) < 0.01
    assert (gain.newer_days, gain.rows_per_day) == (14, ROWS_PER_DAY)
    assert [age for age in (13, 14, 27, 28) if due(settings, champion, age, cost=0.0)] == [14, 27, 28]
    assert [age for age in (13, 14, 27, 28) if due(settings, champion, age, cost=1e5)] == [28]


def test_a_renewal_that_gained_more_than_its_cost_postpones_nothing(promoted):
    settings, older, champion = promoted(over_worse=True)
    assert freshness_gain(model_of(settings, champion, 14), model_of(settings, older, 14)).per_row > 0.3
    assert due(settings, champion, 14, cost=100.0)
    assert not due(settings, champion, 27, cost=1e5)


def test_a_retrain_that_was_not_promoted_begins_a_new_interval(promoted):
    settings, _, champion = promoted(over_worse=True)
    with Ledger(settings.ledger_dsn) as ledger:
        ledger.record_entry(PIPELINE, "retrain.started", "plan", {"until": day_of(ACCEPTED + 14).isoformat()})
    assert not due(settings, champion, 27, cost=100.0)
    assert due(settings, champion, 28, cost=100.0)


def test_a_predecessor_with_damaged_files_postpones_nothing(promoted):
    settings, older, champion = promoted()
    corrupt(settings.release_root(PIPELINE), older)
    assert due(settings, champion, 14, cost=1e5)


def test_too_few_labelled_rows_measure_no_gain(promoted):
    settings, older, champion = promoted()
    few = model_of(settings, champion, 14)
    few = replace(few, rules=few.rules.model_copy(update={"rows_min": 14 * ROWS_PER_DAY + 1}))
    assert freshness_gain(few, model_of(settings, older, 14)) is None
    assert freshness_gain(model_of(settings, champion, 6), model_of(settings, older, 6)) is None
