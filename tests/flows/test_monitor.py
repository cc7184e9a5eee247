"""The flow `monitor` on a toy whose relation changes: diagnoses, records and incidents."""

import shutil
from datetime import timedelta

import pytest
from skops import io as skops_io

from flows.monitor import monitor
from healing.errors import UsageError
from healing.incident import Cause, Status
from healing.release import Reason, Release
from healing.verdict import Outcome
from releases.loader import load
from releases.log import ReleaseLog
from releases.signing import ensure_keys
from releases.store import ModelStore
from tasks.config.settings import Settings, load_settings
from tasks.evaluation.scores import score
from tasks.lake.lake_table import LakeTable
from tasks.ledger.store import Ledger
from tasks.monitoring.diagnosis import Diagnosis
from tasks.monitoring.history import CHECKS, read_history
from tasks.monitoring.monitored_model import monitored_model
from tasks.training.dataset import read_dataset
from tasks.training.fit import fit_model, fit_recipe
from tasks.training.inference import predict
from tasks.training.mlflow_registry import RegisteredModel
from tasks.training.plan import plan_training
from tasks.training.publish import ComparedModel, PublishRequest, publish
from tasks.training.refit import refit_plan
from tests.published import NOW
from tests.toy import PIPELINE, PIPELINES_DIR, day_of, reversed_law, toy_labels, toy_pipeline, write_days

LEARNED = 56  # days until the champion is accepted


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    """A home with a champion trained on the original relation in the first 56 days."""
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(PIPELINES_DIR))
    settings = load_settings()
    lake = settings.lake_root(PIPELINE)
    write_days(lake, 0, LEARNED)
    plan = plan_training(toy_pipeline(), toy_labels(lake), None, None)
    trained = fit_model(plan, read_dataset(plan, toy_labels(lake)), toy_pipeline().estimator)
    answers = predict(trained.estimator, trained.dataset.held_out_inputs)
    metrics = score(answers, trained.dataset.held_out_labels).named("holdout")
    registered = RegisteredModel("run", "1", "1.0.0", plan.key, NOW, 0.1, "test", metrics)
    request = PublishRequest(plan, trained.dataset, registered, skops_io.dumps(trained.estimator))
    root = settings.release_root(PIPELINE)
    champion = publish(request, root, ensure_keys(settings.keys_dir))
    ReleaseLog(root).append(Release(1, NOW, PIPELINE, "test", Reason.BOOTSTRAP, champion=champion, baseline=0.5))
    return settings


def then(settings, days, **world):
    """Let `days` more days pass."""
    lake = settings.lake_root(PIPELINE)
    passed = (max(LakeTable(lake, "features", ["id"]).read(columns=["event_day"])["event_day"]) - day_of(0)).days + 1
    write_days(lake, passed, days, **world)


def ledgered(settings):
    with Ledger(settings.ledger_dsn) as ledger:
        return {record.verdict.check: record for record in ledger.latest_checks(PIPELINE)}


def incidents(settings):
    with Ledger(settings.ledger_dsn) as ledger:
        return ledger.incidents(PIPELINE)


def outcomes(report):
    """The newest outcome of every check."""
    return {check.check: check.outcome for check in reversed(report.checks)}


def test_an_unchanged_world_is_diagnosed_as_nothing(settings):
    then(settings, 28)
    report = monitor(PIPELINE)
    assert report.diagnosis is Diagnosis.NOTHING
    assert report.logged_share == 0
    assert report.label_coverage == 1
    assert "computed afterwards" in report.checks[0].reason
    assert {check: record.verdict.outcome for check, record in ledgered(settings).items()} == {
        "quality": Outcome.PASS,
        "features": Outcome.PASS,
    }
    assert incidents(settings) == []


def test_a_shift_that_costs_no_quality_is_recorded_without_an_incident(settings):
    then(settings, 28, shift=2.0)
    report = monitor(PIPELINE)
    assert report.diagnosis is Diagnosis.SEASONAL
    assert outcomes(report)["features"] is Outcome.FAIL
    assert report.report is not None  # an HTML report was written
    assert ledgered(settings)["features"].verdict.outcome is Outcome.INCONCLUSIVE  # heal must not act on it
    assert ledgered(settings)["features"].cause is Cause.DATA_DRIFT
    assert incidents(settings) == []


def test_a_quality_drop_that_persists_opens_an_incident(settings):
    then(settings, 14)
    then(settings, 7, law=reversed_law)
    assert monitor(PIPELINE).diagnosis is Diagnosis.INCONCLUSIVE  # one bad window
    assert incidents(settings) == []

    then(settings, 7, law=reversed_law)
    report = monitor(PIPELINE)
    assert report.diagnosis is Diagnosis.CONCEPT_SHIFT
    [incident] = incidents(settings)
    assert (incident.id, incident.cause, incident.subject) == (report.incident_id, Cause.QUALITY_DROP, "1.0.0")
    assert ledgered(settings)["quality"].verdict.failed
    assert report.report is not None


def test_repeated_monitoring_joins_the_incident_and_adds_no_history(settings):
    then(settings, 28, law=reversed_law)
    first, second = monitor(PIPELINE), monitor(PIPELINE)
    assert first.incident_id == second.incident_id
    history = LakeTable(settings.lake_root(PIPELINE), CHECKS, ["digest"]).read(day_column="window_until")
    assert sorted(history["check"]) == ["data", "estimate", "features", "predictions", "quality", "volume"]
    assert set(history["diagnosis"]) == {"concept_shift"}
    [run] = read_history(settings.lake_root(PIPELINE), limit=5)
    assert (run.diagnosis, run.outcomes["quality"]) == ("concept_shift", "FAIL")


def test_a_cool_down_follows_an_ended_incident(settings):
    then(settings, 28, law=reversed_law)
    monitor(PIPELINE)
    with Ledger(settings.ledger_dsn) as ledger:
        ledger.set_status(incidents(settings)[0].id, Status.ESCALATED, "nothing helped")
    then(settings, 3, law=reversed_law)
    report = monitor(PIPELINE)
    assert report.diagnosis is Diagnosis.CONCEPT_SHIFT
    assert report.incident_id is None
    assert report.cooling_until == day_of(LEARNED + 28 - 1) + timedelta(days=7)
    assert not ledgered(settings)["quality"].verdict.failed


def test_without_labels_drift_that_costs_quality_opens_an_incident(settings):
    """All x are near zero, so all predictions are near one half."""
    then(settings, 28, scale=0.1, labels=False)
    report = monitor(PIPELINE)
    assert report.diagnosis is Diagnosis.COVARIATE_SHIFT
    assert outcomes(report)["estimate"] is Outcome.FAIL
    assert incidents(settings)[0].cause is Cause.DATA_DRIFT


def test_without_labels_drift_to_confident_predictions_is_recorded(settings):
    then(settings, 28, shift=-1.5, labels=False)
    report = monitor(PIPELINE)
    assert report.diagnosis is Diagnosis.COVARIATE_SHIFT
    assert outcomes(report)["estimate"] is Outcome.PASS
    assert incidents(settings) == []


def test_a_new_champion_is_inconclusive_at_first(settings):
    then(settings, 3)
    report = monitor(PIPELINE)
    assert report.diagnosis is Diagnosis.INCONCLUSIVE
    assert {check.outcome for check in report.checks} == {Outcome.INCONCLUSIVE}


def test_before_the_first_release_the_error_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(PIPELINES_DIR))
    with pytest.raises(UsageError, match="autopilot bootstrap toy"):
        monitor(PIPELINE)


def refitted(settings):
    """Make the champion a refit, with its compared fit and the answers to the held-out rows in its files."""
    lake, root = settings.lake_root(PIPELINE), settings.release_root(PIPELINE)
    plan = plan_training(toy_pipeline(), toy_labels(lake), None, None)
    trained = fit_model(plan, read_dataset(plan, toy_labels(lake)), toy_pipeline().estimator)
    dataset = trained.dataset
    answers = predict(trained.estimator, dataset.held_out_inputs)
    metrics = score(answers, dataset.held_out_labels).named("holdout")
    registered = RegisteredModel("run", "1", "1.0.1", plan.key, NOW, 0.1, "test", metrics)
    again = fit_recipe(refit_plan(plan, dataset), dataset.with_held_out(), trained.estimator)
    content = skops_io.dumps(again.estimator)
    compared = ComparedModel(registered, trained.estimator, plan.train_until)
    request = PublishRequest(refit_plan(plan, dataset), dataset.with_held_out(), registered, content, compared=compared)
    model = publish(request, root, ensure_keys(settings.keys_dir))
    shutil.rmtree(root / "log")
    ReleaseLog(root).append(Release(1, NOW, PIPELINE, "test", Reason.BOOTSTRAP, champion=model, baseline=0.5))
    return model, answers


def test_a_refit_is_judged_by_answers_of_the_compared_fit_to_rows_that_it_had_not_learned(settings):
    model, answers = refitted(settings)
    root = settings.release_root(PIPELINE)
    champion = load(ModelStore(root).path(model.digest), ensure_keys(settings.keys_dir).public)
    folder = ModelStore(root).path(model.digest)
    monitored = monitored_model(champion, folder, toy_pipeline(), settings.lake_root(PIPELINE), None)
    assert monitored.accepted_until == day_of(LEARNED - 1)
    assert list(monitored.accepted["prediction"]) == pytest.approx(list(answers))
    then(settings, 28)
    report = monitor(PIPELINE)
    assert report.diagnosis is Diagnosis.NOTHING
    estimates = [check for check in report.checks if check.check == "estimate"]
    assert estimates
    assert all("needed" not in check.reason for check in estimates)  # the answers have labels, on enough days


def test_a_day_before_the_first_one_is_refused_because_there_is_nothing_to_judge(settings):
    with pytest.raises(UsageError, match=f"expected a day from {day_of(0)} on.*there is nothing to judge"):
        monitor(PIPELINE, until=day_of(-1))


def renewing(settings, monkeypatch, every_days):
    folder = settings.home / "pipelines"
    shutil.copytree(PIPELINES_DIR, folder)
    file = folder / PIPELINE / "pipeline.yaml"
    file.write_text(file.read_text().replace("retrain:\n", f"retrain:\n  every_days: {every_days}\n"))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(folder))


def test_a_renewal_is_due_by_the_days_of_data_and_not_again_until_as_many_have_passed(settings, monkeypatch):
    renewing(settings, monkeypatch, 10)
    then(settings, 9)
    assert not monitor(PIPELINE).renewal_due
    then(settings, 1)
    assert monitor(PIPELINE).renewal_due
    assert monitor(PIPELINE).renewal_due  # nobody has started it: the event may be lost
    with Ledger(settings.ledger_dsn) as ledger:
        ledger.record_entry(PIPELINE, "retrain.started", "plan", {"until": day_of(LEARNED + 9).isoformat()})
    assert not monitor(PIPELINE).renewal_due
    then(settings, 10)
    assert monitor(PIPELINE).renewal_due


def test_without_a_schedule_no_renewal_is_due(settings):
    then(settings, 40)
    assert not monitor(PIPELINE).renewal_due


def test_a_drop_of_quality_is_an_incident_and_no_renewal(settings, monkeypatch):
    renewing(settings, monkeypatch, 10)
    then(settings, 28, law=reversed_law)
    report = monitor(PIPELINE)
    assert report.incident_id is not None
    assert not report.renewal_due
