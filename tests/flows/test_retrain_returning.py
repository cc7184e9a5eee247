"""An earlier champion whose regime is back returns from a retrain: with its reasons, and without a training."""

from datetime import timedelta

import pytest
from skops import io as skops_io

from flows.monitor import monitor
from flows.retrain import retrain
from healing.release import Challenger, Mode, Reason, Release
from releases.log import ReleaseLog, promotion_of, trial_of
from releases.signing import ensure_keys
from tasks.config.settings import Settings, load_settings
from tasks.ledger.store import Ledger
from tasks.monitoring.returned_champion import RETURNING
from tasks.rollout.retrain_outcome import RetrainResult
from tasks.training.dataset import read_dataset
from tasks.training.fit import fit_model
from tasks.training.mlflow_registry import RegisteredModel
from tasks.training.plan import plan_training
from tasks.training.publish import PublishRequest, publish
from tests.published import NOW
from tests.toy import PIPELINE, PIPELINES_DIR, day_of, reversed_law, toy_labels, toy_pipeline, write_days

CHANGE, BACK, DAYS = 56, 112, 126  # the law is reversed, and back again


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(PIPELINES_DIR))
    settings = load_settings()
    lake = settings.lake_root(PIPELINE)
    write_days(lake, 0, CHANGE)
    write_days(lake, CHANGE, BACK - CHANGE, law=reversed_law)
    write_days(lake, BACK, DAYS - BACK)
    return settings


def published(settings, version, until):
    """The model of the days until `until`, all of them training days."""
    labels = toy_labels(settings.lake_root(PIPELINE))
    plan = plan_training(toy_pipeline(), labels, until + timedelta(days=14), None)
    trained = fit_model(plan, read_dataset(plan, labels), toy_pipeline().estimator)
    registered = RegisteredModel("run", "1", version, plan.key, NOW, 0.1, "test", {})
    request = PublishRequest(plan, trained.dataset, registered, skops_io.dumps(trained.estimator))
    return publish(request, settings.release_root(PIPELINE), ensure_keys(settings.keys_dir))


def two_regimes(settings):
    """A release log whose first champion is of the first regime, and whose second one, of the other regime, serves."""
    first = published(settings, "1.0.0", day_of(CHANGE - 15))
    second = published(settings, "1.0.1", day_of(BACK - 1))
    log = ReleaseLog(settings.release_root(PIPELINE))
    log.append(Release(1, NOW, PIPELINE, "test", Reason.BOOTSTRAP, champion=first, baseline=0.5))
    promoted(log, second)
    return log, first


def promoted(log, model, *, served_before=False):
    trial = trial_of(log.current(), Challenger(model, Mode.CANARY, 0.5), author="test", now=NOW)
    log.append(trial)
    log.append(promotion_of(trial, author="test", now=NOW, served_before=served_before))


def entries(settings, kind):
    with Ledger(settings.ledger_dsn) as ledger:
        return ledger.entries(PIPELINE, kind)


def test_it_wins_before_the_training_which_is_skipped(settings):
    log, first = two_regimes(settings)
    shown = retrain(PIPELINE, dry_run=True)
    assert (shown.result, shown.returned, shown.version) == (RetrainResult.COMPARED, True, "1.0.0")
    assert entries(settings, RETURNING) == []

    outcome = retrain(PIPELINE)
    assert outcome.result is RetrainResult.INCONCLUSIVE  # no gateway to try it on: the trial is not left out
    assert (outcome.returned, outcome.digest) == (True, first.digest)
    assert outcome.skipped == ("fit", "compare", "refit", "publish")
    assert "these steps are skipped: fit, compare, refit, publish" in outcome.markdown
    [entry] = entries(settings, RETURNING)
    assert (entry.subject, entry.detail["accepted_until"]) == (first.digest, day_of(DAYS - 1).isoformat())
    assert "earlier champion 1.0.0 returns: log-loss gain over the champion" in entry.detail["reason"]
    assert entries(settings, "retrain.compared") == []

    promoted(log, first, served_before=True)
    assert log.current().reason is Reason.RETURN
    again = retrain(PIPELINE)
    assert (again.result, again.digest) == (RetrainResult.RETURNED, first.digest)
    quality = next(check for check in monitor(PIPELINE).checks if check.check == "quality")
    assert f"after {day_of(DAYS - 1)}, the last day on which the champion was accepted" in quality.reason
