"""A pipeline that `autopilot init` wrote is ingested, trained, served and monitored."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows.ingest import ingest
from flows.monitor import monitor
from flows.retrain import retrain
from healing.incident import Cause
from healing.verdict import Outcome
from releases.loader import load
from releases.log import ReleaseLog
from releases.output import Output
from releases.signing import ensure_keys
from releases.store import ModelStore
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import load_settings
from tasks.evaluation.labels import label_source
from tasks.evaluation.predictions import predictions_in
from tasks.lake.lake_table import LakeTable
from tasks.ledger.store import Ledger
from tasks.monitoring.paired_rows import paired_rows, with_labels
from tasks.onboarding.draft import OnboardingRequest
from tasks.onboarding.onboard import onboard
from tasks.rollout.retrain_outcome import RetrainResult
from tasks.serving.prediction_log import drain_predictions, read_predictions
from tasks.training.candidate import TrainingContext, compare_candidate, register_candidate
from tasks.training.dataset import read_dataset
from tasks.training.fit import fit_model
from tasks.training.plan import plan_training
from tests.gateway.running import run_gateway
from tests.orders import DAYS, classified, orders, write

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint:UserWarning")  # MLflow about its own types, on import

NAME = "mine"
UNTIL = date(2024, 1, 26)  # 26 of the file's 40 days; the monitor uses the others


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path / "var"))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(tmp_path / "pipelines"))
    return tmp_path / "var"


def begin(home: Path, frame: pd.DataFrame, file: str = "orders.csv", **changes) -> None:
    data = write(frame, home.parent / file)
    options = {"name": NAME, "data": data, "label": "returned", "time": "at", "key": "id"} | changes
    onboard(OnboardingRequest(**options), home.parent / "pipelines")


def served(home: Path, count: int = 50) -> list[float]:
    """Predictions of a real gateway for the last rows of the lake, all by the champion."""
    from cli.feature_rows import read_feature_rows

    settings = load_settings()
    rows = read_feature_rows(settings, load_pipeline(NAME, settings.pipelines_dir))
    root, keys = settings.release_root(NAME), ensure_keys(settings.keys_dir)
    with run_gateway(root, keys, home / "gateway", "--pipeline", NAME) as gateway:
        gateway.wait_for_generation(1)
        answer = gateway.predict.post("/invocations", json=rows.body(rows.rows[-count:]))
    assert (answer.status_code, answer.headers["x-rung"]) == (200, "champion"), answer.text
    answers: list[float] = answer.json()["predictions"]
    return answers


def ask_with_feedback(home: Path, label: str) -> "np.ndarray[Any, Any]":
    """Probabilities that a real gateway answers for the last rows of the lake; all rows then get the label."""
    from cli.feature_rows import read_feature_rows

    settings = load_settings()
    rows = read_feature_rows(settings, load_pipeline(NAME, settings.pipelines_dir))
    root, keys = settings.release_root(NAME), ensure_keys(settings.keys_dir)
    with run_gateway(root, keys, home / "gateway", "--pipeline", NAME) as gateway:
        gateway.wait_for_generation(1)
        answer = gateway.predict.post("/invocations", json=rows.body(rows.rows[-50:]))
        request = {"request_id": answer.headers["x-request-id"], "label": label}
        given = gateway.predict.post("/feedback", json={"labels": [{**request, "row": row} for row in range(50)]})
        assert given.status_code == 200, given.text
        drain_predictions(str(gateway.operate.base_url), settings.lake_root(NAME))
    return np.array(answer.json()["predictions"])


def awkward() -> pd.DataFrame:
    """Awkward columns: names with spaces, umlauts, a leading digit, or differing only in case; three date formats."""
    frame = classified()
    when = pd.to_datetime(frame["at"])
    formats = ["%d/%m/%Y %H:%M", "%Y-%m-%d %H:%M:%S", "%d %b %Y %H:%M"]
    generator = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "Order №": frame["id"],
            "Ordered at": [at.strftime(formats[place % 3]) for place, at in enumerate(when)],
            "Größe (€)": frame["amount"],
            "1st channel": frame["channel"].where(generator.random(len(frame)) > 0.1, None),
            "age": np.where(
                generator.random(len(frame)) < 0.1, "n/a", generator.integers(18, 80, len(frame)).astype(str)
            ),
            "Age": generator.choice(["true", "false"], len(frame)),
            "Since": (when - pd.Timedelta(days=30)).dt.date.astype(str),
            "order": range(len(frame)),
            "Returned?": np.where(frame["returned"] == 1, "Yes", "No"),
        }
    ).sample(frac=1, random_state=2)


@pytest.mark.timeout(300)
def test_a_file_with_awkward_columns_ingests_trains_serves_and_is_monitored(home):
    begin(home, awkward(), label="Returned?", time="Ordered at", key="Order №")
    taken = ingest(NAME, until=UNTIL)
    assert taken.rows.received == taken.rows.accepted > 2 * 700
    assert retrain(NAME, until=UNTIL).result is RetrainResult.BOOTSTRAPPED
    assert all(0 < answer < 1 for answer in served(home))
    ingest(NAME)
    report = monitor(NAME)
    assert {check.check: check.outcome for check in report.checks}["quality"] is not Outcome.FAIL
    assert report.label_coverage == 1.0
    assert report.checks[0].observations > 300


@pytest.mark.timeout(300)
def test_a_quantity_is_trained_served_and_monitored(home):
    begin(home, orders().drop(columns="returned"), "orders.parquet", label="cost")
    ingest(NAME, until=UNTIL)
    outcome = retrain(NAME, until=UNTIL)
    assert outcome.result is RetrainResult.BOOTSTRAPPED
    compared = next(each for each in outcome.comparisons if each.against == "the base rate")
    assert compared.reason.startswith("squared error gain over the base rate +0.")
    answers = served(home)
    assert np.std(answers) > 1
    assert 0 < np.mean(answers) < 20
    ingest(NAME)
    report = monitor(NAME)
    assert report.checks[0].outcome is Outcome.PASS
    assert "excess squared error" in report.checks[0].reason


def three_classes(since: str) -> pd.DataFrame:
    """Orders with one of three fates, no linear function of the columns; from day `since` on, two are exchanged."""
    frame, generator = orders(rows_per_day=40, seed=6), np.random.default_rng(6)
    large = np.log(frame["amount"]) - 3
    fates = np.where((frame["channel"] == "phone") == (large > 0), "back", "kept")
    fates = np.where(large.abs() < 0.5, "exchanged", fates)
    fates = np.where(generator.random(len(frame)) < 0.15, generator.choice(["back", "kept"], len(frame)), fates)
    swapped = pd.Series(fates).map({"back": "kept", "kept": "back", "exchanged": "exchanged"})
    return frame.drop(columns=["cost", "returned"]).assign(fate=np.where(frame["at"] >= since, swapped, fates))


@pytest.mark.timeout(300)
def test_several_classes_are_trained_served_monitored_and_trained_again(home):
    changed = "2024-01-29"
    begin(home, three_classes(since=changed), label="fate")
    assert ingest(NAME, until=UNTIL).rows.quarantined == 0
    assert retrain(NAME, until=UNTIL).result is RetrainResult.BOOTSTRAPPED
    settings = load_settings()
    pipeline = load_pipeline(NAME, settings.pipelines_dir)
    champion = ReleaseLog(settings.release_root(NAME)).current().champion
    model = load(ModelStore(settings.release_root(NAME)).path(champion.digest), ensure_keys(settings.keys_dir).public)
    assert model.manifest.output == Output(kind="probabilities", names=("back", "exchanged", "kept"))
    assert sum(model.manifest.baseline_outputs) == pytest.approx(1)
    asked = ask_with_feedback(home, label="kept")
    assert asked.shape == (50, 3)
    assert asked.sum(axis=1) == pytest.approx(1)
    logged = read_predictions(settings.lake_root(NAME), champion.digest)
    assert np.stack(logged["outputs"]) == pytest.approx(asked)
    since, now = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC)
    pairs = paired_rows(settings.lake_root(NAME), model, model, since, now, pipeline.label.classes).rows
    assert predictions_in(pairs, pipeline.label.classes, "challenger") == pytest.approx(asked)
    labelled = with_labels(pairs, pipeline, settings.lake_root(NAME), now, model.manifest.output.names)
    assert set(labelled["label"]) == {2.0}  # the position of "kept"

    ingest(NAME)
    report = monitor(NAME)
    found = {check.check: check for check in report.checks}
    assert (found["quality"].outcome, found["quality"].observations) == (Outcome.FAIL, pytest.approx(400, abs=200))
    assert found["estimate"].outcome is not Outcome.FAIL  # the inputs are as before

    context = TrainingContext.of(settings, NAME)
    plan = plan_training(pipeline, context.labels)
    registered = register_candidate(context, plan, model)
    result = compare_candidate(context, plan, registered, model)
    against = {each.against: each for each in result.comparisons}
    assert against["the champion"].gain is not None


TRAINABLE = {
    "a boolean label": lambda: (classified(returned=classified()["returned"] == 1), {}),
    "a label with two texts": lambda: (classified(returned=classified()["returned"].map({0: "kept", 1: "back"})), {}),
    "one class against the rest": lambda: (classified(), {"label": "channel", "positive": "phone"}),
    "a key of numbers": lambda: (classified(id=range(1000, 1000 + DAYS * 30)), {}),
    "seconds since 1970": lambda: (classified(at=pd.to_datetime(classified()["at"]).astype("int64") // 10**9), {}),
    "days without a row": lambda: (classified()[lambda rows: ~rows["at"].str[8:10].isin(["03", "10", "11"])], {}),
    "labels that are not known yet": lambda: (
        classified(returned=classified()["returned"].where(classified().index % 5 > 0)),
        {},
    ),
}


@pytest.mark.parametrize("what", TRAINABLE)
def test_other_files_ingest_and_train(home, what):
    frame, changes = TRAINABLE[what]()
    begin(home, frame, **changes)
    taken = ingest(NAME)
    assert taken.rows.received == taken.rows.accepted == 2 * len(frame)
    settings = load_settings()
    pipeline = load_pipeline(NAME, settings.pipelines_dir)
    labels = label_source(pipeline, settings.lake_root(NAME))
    plan = plan_training(pipeline, labels)
    dataset = read_dataset(plan, labels)
    trained = fit_model(plan, dataset, pipeline.estimator)
    answers = trained.estimator.predict_proba(dataset.held_out_inputs)[:, 1]
    assert len(answers) > 200
    assert 0 < answers.min() < answers.max() < 1


def test_the_next_days_of_the_same_data_are_accepted(home):
    """40 days to guess from, then 40 further days of the same distribution."""
    frame = orders(days=80, seed=3).drop(columns="cost")
    begin(home, frame[frame["at"] < "2024-02-10"])
    first = ingest(NAME)
    write(frame, home.parent / "orders.csv")
    following = ingest(NAME, since=date(2024, 2, 10))
    assert (first.batches, following.batches) == (80, 80)
    assert following.rejected == ()
    assert following.rows.quarantined <= 0.001 * following.rows.received


def test_a_day_that_grows_in_its_file_is_completed_and_ten_times_the_rows_are_an_incident(home):
    frame = classified()
    newest = frame["at"] >= "2024-02-09"
    part = frame[~newest | (frame[newest].groupby(newest).cumcount() < 8)]
    begin(home, part)
    first = ingest(NAME)
    assert first.rejected == ("rows/2024-02-09",)  # `init` said that its newest day is left for later
    write(frame, home.parent / "orders.csv")
    second = ingest(NAME)
    assert set(second.revised) == {"rows/2024-02-09", "outcomes/2024-02-09"}
    assert second.rejected == ()
    settings = load_settings()
    for table in ("rows", "features", "outcomes"):
        assert LakeTable(settings.lake_root(NAME), table, ["id"]).count() == len(frame)
    assert ingest(NAME).batches == 0  # nothing has changed
    following = frame[newest].assign(at=frame["at"].str.replace("2024-02-09", "2024-02-10"))
    many = [following.assign(id=following["id"] + f"-{copy}") for copy in range(10)]
    write(pd.concat([frame, *many]), home.parent / "orders.csv")
    assert ingest(NAME).rejected == ("rows/2024-02-10",)
    with Ledger(settings.ledger_dsn) as ledger:
        causes = {incident.cause for incident in ledger.incidents(NAME)}
    assert causes == {Cause.VOLUME_ANOMALY}


def test_a_column_that_a_second_file_adds_is_left_out(home):
    frame = classified()
    begin(home, frame[frame["at"] < "2024-02-05"])
    pattern = home.parent / "pipelines/mine/pipeline.yaml"
    pattern.write_text(pattern.read_text().replace("rows: orders.csv", "rows: orders*.csv"))
    write(frame[frame["at"] >= "2024-02-05"].assign(added="x"), home.parent / "orders-2.csv")
    report = ingest(NAME)
    assert (report.rejected, report.rows.quarantined) == ((), 0)
    assert "added" not in LakeTable(load_settings().lake_root(NAME), "rows", ["id"]).columns()
    assert LakeTable(load_settings().lake_root(NAME), "rows", ["id"]).count() == len(frame)
