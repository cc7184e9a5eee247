"""Which retrains are started again after their run was killed or a service did not answer, and how often."""

import json
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from healing.errors import OrchestratorUnavailable
from healing.evidence import Evidence
from healing.incident import Cause, Status
from healing.release import Reason
from tasks.config.pipeline import load_pipeline
from tasks.incidents import interrupted_retrain
from tasks.incidents.interrupted_retrain import REPEATS_MAX, repeat_interrupted_retrain
from tasks.ledger.pauses import record_pause
from tasks.runtime.file_locks import exclusive
from tests.flows.release_bench import make_bench
from tests.published import PIPELINE, bootstrap, end_trial, start_canary

PLAN = "0123456789ab"
REQUEST = {"until": "2013-03-01", "incident_id": None, "estimator": None, "skip_comparison": True, "dry_run": False}


class Runs:
    """Runs that are recorded and not carried out; one key gives one run, which has been killed."""

    detached = True

    def __init__(self, folder):
        self.folder = folder
        self.started = {}
        self.answers = True

    def run(self, deployment, parameters, idempotency_key):
        if not self.answers:
            raise OrchestratorUnavailable("no answer")
        self.started[idempotency_key] = (deployment, dict(parameters))
        return killed(self.folder, idempotency_key.replace("/", "-"))


def killed(folder, name):
    """The id of a local run whose process is gone without a result."""
    record = folder / f"{name}.json"
    record.write_text(json.dumps({"pid": 2**22 + 1, "started_at": 0.0}))
    return f"local:{record}"


def alive(folder):
    """The id of a local run whose process is this one."""
    record = folder / "alive.json"
    process = psutil.Process()
    record.write_text(json.dumps({"pid": process.pid, "started_at": process.create_time()}))
    return f"local:{record}"


@pytest.fixture
def bench(tmp_path, monkeypatch):
    return make_bench(tmp_path, monkeypatch)


@pytest.fixture
def runs(tmp_path):
    return Runs(tmp_path)


def begin(bench, run_id, changes=None):
    with bench.ledger() as ledger:
        ledger.record_entry(PIPELINE, "retrain.started", PLAN, {**REQUEST, "run_id": run_id, **(changes or {})})


def finish(bench, **detail):
    with bench.ledger() as ledger:
        ledger.record_entry(PIPELINE, "retrain.finished", PIPELINE, detail)


def entries(bench, kind):
    with bench.ledger() as ledger:
        return ledger.entries(PIPELINE, kind)


def repeat(bench, runs):
    """What is started by one call."""
    before = len(runs.started)
    repeat_interrupted_retrain(bench.settings, load_pipeline(PIPELINE, bench.settings.pipelines_dir), runs)
    return list(runs.started.values())[before:]


def test_a_killed_retrain_is_started_again_on_the_same_days(bench, runs, tmp_path):
    begin(bench, killed(tmp_path, "first"))
    again = {"pipeline": PIPELINE, "until": "2013-03-01", "skip_comparison": True}
    assert repeat(bench, runs) == [("retrain/retrain", again)]
    [entry] = entries(bench, "retrain.repeated")
    assert (entry.subject, entry.detail["reason"]) == (PLAN, "its run was killed")


def test_the_same_interruption_starts_one_run_whoever_asks(bench, runs, tmp_path):
    begin(bench, killed(tmp_path, "first"))
    repeat(bench, runs)
    record = tmp_path / "alive.json"
    alive(tmp_path)
    for path in tmp_path.glob("tiny-retrain-*.json"):
        path.write_text(record.read_text())  # the repetition runs
    assert repeat(bench, runs) == []
    assert len(entries(bench, "retrain.repeated")) == 1


def test_a_retrain_that_is_killed_each_time_is_repeated_a_few_times_only(bench, runs, tmp_path):
    begin(bench, killed(tmp_path, "first"))
    for _ in range(2 * REPEATS_MAX):
        repeat(bench, runs)
    assert len(runs.started) == REPEATS_MAX


@pytest.mark.parametrize(
    "changes",
    [{"run_id": None}, {"incident_id": "i1"}, {"dry_run": True}],
    ids=["no deployment", "remedy of an incident", "dry run"],
)
def test_a_retrain_that_somebody_else_watches_is_left_alone(bench, runs, tmp_path, changes):
    begin(bench, killed(tmp_path, "first"), changes)
    assert repeat(bench, runs) == []


def test_a_retrain_that_runs_is_left_alone(bench, runs, tmp_path):
    begin(bench, alive(tmp_path))
    assert repeat(bench, runs) == []


def test_a_retrain_that_holds_its_lock_is_left_alone(bench, runs, tmp_path):
    begin(bench, killed(tmp_path, "first"))
    bench.root.mkdir(parents=True)
    with exclusive(bench.root / "retrain.lock", seconds_max=1):
        assert repeat(bench, runs) == []


@pytest.mark.parametrize(("transient", "repeated"), [(True, 1), (False, 0)])
def test_a_failed_retrain_is_repeated_if_a_service_did_not_answer(
    bench, runs, tmp_path, monkeypatch, transient, repeated
):
    begin(bench, killed(tmp_path, "first"))
    finish(bench, result="failed", reason="MLflow is away", transient=transient)
    assert repeat(bench, runs) == []  # not at once

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(minutes=1)

    monkeypatch.setattr(interrupted_retrain, "datetime", Later)
    assert len(repeat(bench, runs)) == repeated


def test_nothing_is_repeated_during_an_outage_or_a_pause(bench, runs, tmp_path):
    begin(bench, killed(tmp_path, "first"))
    with bench.ledger() as ledger:
        evidence = Evidence(PIPELINE, Cause.REGISTRY_UNAVAILABLE, "mlflow", "probe", datetime.now(UTC))
        incident = ledger.record_evidence(evidence)
    assert repeat(bench, runs) == []
    with bench.ledger() as ledger:
        ledger.set_status(incident.id, Status.DISMISSED)
        record_pause(ledger, PIPELINE, by="test", reason="test", incident_id=None, schedules=())
    assert repeat(bench, runs) == []


def test_without_prefect_the_repetition_waits(bench, runs, tmp_path):
    begin(bench, killed(tmp_path, "first"))
    runs.answers = False
    assert repeat(bench, runs) == []
    runs.answers = True
    assert len(repeat(bench, runs)) == 1


@pytest.mark.parametrize("reason", [Reason.PROMOTE, Reason.ABORT])
def test_a_retrain_that_was_killed_during_its_trial_ends_with_the_trial(bench, runs, tmp_path, reason):
    champion, candidate = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion)
    begin(bench, killed(tmp_path, "first"), {"generation": bench.log.latest_generation()})
    start_canary(bench.root, candidate, 0.5)
    assert repeat(bench, runs) == []
    assert entries(bench, "retrain.finished") == []
    promoted = reason is Reason.PROMOTE
    fallbacks = (champion,) if promoted else ()
    end_trial(bench.root, reason=reason, champion=candidate if promoted else champion, fallbacks=fallbacks)
    assert repeat(bench, runs) == repeat(bench, runs) == []
    [report] = entries(bench, "retrain.finished")
    assert report.detail["digest"] == candidate.digest
    assert report.detail["result"] == ("promoted" if promoted else "aborted")
