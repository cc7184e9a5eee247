"""Retraining on a real lake, MLflow and release root; the canary itself is tested with the release flow."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows.retrain import retrain
from healing.errors import TrainingRefused
from healing.evidence import Evidence
from healing.incident import Cause, Status
from releases.log import ReleaseLog
from releases.store import ModelStore
from tasks.config.settings import Settings, load_settings
from tasks.ledger.records import BatchRecord, BatchStatus
from tasks.ledger.store import Ledger
from tasks.rollout.retrain_outcome import RetrainResult
from tasks.training.comparison import ComparisonOutcome
from tasks.training.held_out_answers import read_answers
from tasks.training.mlflow_registry import Registry, registered_versions
from tests.published import NOW
from tests.toy import PIPELINE, PIPELINES_DIR, ROWS_PER_DAY, day_of, reversed_law, write_days

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint:UserWarning")  # MLflow about its own types, on import

SOURCES = [Path("flows/retrain.py"), *Path("tasks/training").glob("*.py"), *Path("releases").glob("*.py")]
NAMED = r'reached\("((?:retrain|publish)\.\w+)"'
POINTS = sorted({name for path in SOURCES for name in re.findall(NAMED, path.read_text())})
OFTEN = {"retrain.registered", "publish.signed"}


@pytest.fixture(scope="module")
def empty_mlflow(tmp_path_factory):
    """MLflow's database before the first run; creating it takes seconds, a copy none."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_registered_models()
    return path


@pytest.fixture
def settings(tmp_path, monkeypatch, empty_mlflow) -> Settings:
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(PIPELINES_DIR))
    (tmp_path / "mlflow").mkdir()
    shutil.copy(empty_mlflow, tmp_path / "mlflow")
    settings = load_settings()
    write_days(settings.lake_root(PIPELINE), 0, 40)
    return settings


def releases(settings):
    return ReleaseLog(settings.release_root(PIPELINE)).history()


def kinds(settings):
    with Ledger(settings.ledger_dsn) as ledger:
        return [entry.kind for entry in ledger.timeline(PIPELINE)]


def test_the_first_model_that_beats_the_base_rate_becomes_champion(settings):
    outcome = retrain(PIPELINE)
    assert outcome.result is RetrainResult.BOOTSTRAPPED
    assert {c.against: (c.outcome, c.blocks) for c in outcome.comparisons} == {
        "the base rate": (ComparisonOutcome.WIN, False),
        "a simple model": (ComparisonOutcome.INCONCLUSIVE, False),
    }
    assert (outcome.refit.against, outcome.refit.blocks) == ("the compared fit", False)
    assert [release.champion.digest for release in releases(settings)] == [outcome.digest]
    expected = ["retrain.started", "retrain.compared", "retrain.refitted", "model.published", "release.committed"]
    assert [kind for kind in kinds(settings) if kind in expected] == expected
    assert kinds(settings)[-1] == "retrain.finished"
    with Ledger(settings.ledger_dsn) as ledger:
        [started] = ledger.entries(PIPELINE, "retrain.started")
    assert started.detail["run_id"] is None  # of no deployment: a person watches it, so the healer does not repeat it
    assert started.detail["generation"] == 0


def test_the_model_that_serves_has_learned_the_held_out_days_and_names_the_fit_that_was_compared(settings):
    outcome = retrain(PIPELINE)
    store = ModelStore(settings.release_root(PIPELINE))
    manifest = store.manifest(outcome.digest)
    assert (outcome.trained_until, manifest.trained_until) == (day_of(39), day_of(39).isoformat())
    assert manifest.compared.trained_until == day_of(25).isoformat()
    assert manifest.compared.mlflow_run_id != manifest.mlflow_run_id
    assert manifest.compared.model_sha256 != outcome.model_sha256 == manifest.files[manifest.model_file]
    assert len(read_answers(store.path(outcome.digest) / manifest.compared.answers_file)) == 14 * ROWS_PER_DAY
    assert manifest.reference.rows == 40 * ROWS_PER_DAY


def configured(tmp_path, monkeypatch, line):
    """The toy pipeline with one more line in its section `retrain`."""
    shutil.copytree(PIPELINES_DIR, tmp_path / "pipelines")
    file = tmp_path / "pipelines" / PIPELINE / "pipeline.yaml"
    file.write_text(file.read_text().replace("retrain:\n", f"retrain:\n  {line}\n"))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(tmp_path / "pipelines"))


def test_a_refit_that_is_worse_on_the_rows_of_both_is_refused_and_the_compared_fit_serves(
    settings, tmp_path, monkeypatch
):
    configured(tmp_path, monkeypatch, "refit_worse_tolerated: 0")
    write_days(settings.lake_root(PIPELINE), 40, 1, law=reversed_law)
    outcome = retrain(PIPELINE)
    assert outcome.result is RetrainResult.BOOTSTRAPPED
    assert (outcome.refit.outcome, outcome.refit.blocks) == (ComparisonOutcome.WORSE, True)
    manifest = ModelStore(settings.release_root(PIPELINE)).manifest(outcome.digest)
    assert (manifest.compared, manifest.trained_until) == (None, day_of(26).isoformat())
    assert "retrain.refit_refused" in kinds(settings)


def test_a_blocked_candidate_that_is_released_on_request_is_not_refitted(settings):
    outcome = retrain(PIPELINE, estimator=".model:build_strict_estimator", skip_comparison=True)
    assert outcome.refit is None
    manifest = ModelStore(settings.release_root(PIPELINE)).manifest(outcome.digest)
    assert (manifest.compared, manifest.trained_until) == (None, day_of(25).isoformat())


def test_a_pipeline_without_refit_serves_the_compared_fit(settings, tmp_path, monkeypatch):
    configured(tmp_path, monkeypatch, "refit: false")
    outcome = retrain(PIPELINE)
    manifest = ModelStore(settings.release_root(PIPELINE)).manifest(outcome.digest)
    assert (manifest.compared, manifest.trained_until) == (None, day_of(25).isoformat())


def test_a_plan_whose_candidate_is_already_champion_changes_nothing(settings):
    first = retrain(PIPELINE)
    again = retrain(PIPELINE)
    assert again.result is RetrainResult.PROMOTED
    assert again.digest == first.digest
    assert len(releases(settings)) == 1


def test_a_model_no_better_than_the_base_rate_is_not_published(settings):
    outcome = retrain(PIPELINE, estimator=".model:build_blind_estimator")
    assert outcome.result is RetrainResult.NOT_BETTER
    assert outcome.digest is None
    assert releases(settings) == []
    assert ModelStore(settings.release_root(PIPELINE)).digests() == []


def test_a_candidate_must_not_be_worse_than_the_champion_on_the_same_rows(settings):
    champion = retrain(PIPELINE)
    write_days(settings.lake_root(PIPELINE), 40, 7)
    same_law = retrain(PIPELINE, dry_run=True)
    assert same_law.result is RetrainResult.COMPARED
    assert not any(c.blocks for c in same_law.comparisons)

    worse = retrain(PIPELINE, estimator=".model:build_coarse_estimator")
    outcomes = {c.against: c.outcome for c in worse.comparisons if c.blocks}
    assert outcomes["the champion"] is ComparisonOutcome.WORSE
    assert worse.result is RetrainResult.NOT_BETTER
    assert [release.champion.digest for release in releases(settings)] == [champion.digest]

    write_days(settings.lake_root(PIPELINE), 47, 56, law=reversed_law)
    other_law = retrain(PIPELINE, dry_run=True)
    outcomes = {c.against: c.outcome for c in other_law.comparisons}
    assert (outcomes["the base rate"], outcomes["the champion"]) == (ComparisonOutcome.WIN, ComparisonOutcome.WIN)
    assert not any(c.blocks for c in other_law.comparisons)
    assert other_law.result is RetrainResult.COMPARED
    assert len(ModelStore(settings.release_root(PIPELINE)).digests()) == 1


def test_a_blocked_candidate_is_released_on_request_and_the_outcome_records_it(settings):
    outcome = retrain(PIPELINE, estimator=".model:build_blind_estimator", skip_comparison=True)
    assert outcome.result is RetrainResult.BOOTSTRAPPED
    assert outcome.comparison_skipped
    assert outcome.comparisons[0].outcome is not ComparisonOutcome.WIN


def test_an_open_incident_about_the_data_stops_training(settings):
    with Ledger(settings.ledger_dsn) as ledger:
        ledger.record_evidence(Evidence(PIPELINE, Cause.NULL_SPIKE, "rows/2013-02-01", "ingest", NOW))
    with pytest.raises(TrainingRefused, match="null_spike"):
        retrain(PIPELINE)
    assert releases(settings) == []
    assert kinds(settings)[-1] == "retrain.finished"


def test_many_quarantined_rows_stop_training(settings):
    with Ledger(settings.ledger_dsn) as ledger:
        ledger.record_batches([half_in_quarantine(day_of(20))])
    with pytest.raises(TrainingRefused, match=r"rows in quarantine .* rows/2013-01-21 \(60 of 120\)"):
        retrain(PIPELINE)
    assert releases(settings) == []


def half_in_quarantine(day):
    counts = {"received": 120, "accepted": 60, "quarantined": 60, "duplicates": 0}
    return BatchRecord(
        PIPELINE, f"rows/{day}", "rows", day, "only", **counts, status=BatchStatus.QUARANTINED, recorded_at=NOW
    )


def test_repeating_a_training_gives_the_same_model_and_releases_nothing(settings):
    first = retrain(PIPELINE)
    again = retrain(PIPELINE, again=True)
    assert again.result is RetrainResult.REPEATED
    assert (again.repetition.same, again.model_sha256) == (True, first.model_sha256)
    assert "the same model" in again.markdown
    assert len(releases(settings)) == 1


def test_a_run_whose_incident_has_ended_is_refused(settings):
    with Ledger(settings.ledger_dsn) as ledger:
        late = ledger.record_evidence(Evidence(PIPELINE, Cause.QUALITY_DROP, "1.0.0", "monitor", NOW))
        ledger.set_status(late.id, Status.DISMISSED)
    with pytest.raises(TrainingRefused, match="expected an open incident"):
        retrain(PIPELINE, incident_id=late.id)
    assert releases(settings) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", [pytest.param(p, marks=() if p in OFTEN else pytest.mark.drill) for p in POINTS])
def test_a_retrain_killed_anywhere_is_completed_by_the_next(settings, tmp_path, point):
    command = [sys.executable, "-m", "tests.flows.toy_in_a_process", point, day_of(39).isoformat()]
    with (tmp_path / "output.txt").open("w") as output:
        killed = subprocess.run(command, env=_environment(), stdout=output, stderr=output, timeout=250, check=False)
    assert killed.returncode == -signal.SIGKILL, (tmp_path / "output.txt").read_text()[-3000:]
    outcome = retrain(PIPELINE, until=day_of(39))
    expected = RetrainResult.PROMOTED if point == "retrain.released" else RetrainResult.BOOTSTRAPPED
    assert outcome.result is expected
    assert ModelStore(settings.release_root(PIPELINE)).digests() == [outcome.digest]
    assert len(releases(settings)) == 1
    assert registered_versions(Registry(settings.tracking_uri, PIPELINE, tmp_path)) == {"1.0.0"}


def _environment():
    from prefect.settings import PREFECT_API_URL

    return {**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value())}
