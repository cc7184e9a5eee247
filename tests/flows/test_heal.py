"""`heal` treats what is broken, once, whoever reports it, and changes nothing else."""

import os
import signal
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from flows.heal import heal
from healing.diagnosis import ProblemSignal, Signals
from healing.errors import UsageError
from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy, Status
from healing.release import Challenger, Reason
from healing.verdict import Outcome, Verdict
from releases.log import promotion_of, trial_of
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import load_settings
from tasks.incidents.flow_runner import InlineRunner
from tasks.incidents.incident_view import Memory
from tasks.incidents.policy import policy_of
from tasks.incidents.post_mortem.account import account_of
from tasks.incidents.post_mortem.publishing import page_file
from tasks.incidents.repair_loop import RepairLoop
from tasks.incidents.step_executor import StepExecutor
from tasks.ledger.records import CheckRecord
from tasks.ledger.store import Ledger
from tasks.rollout.rollback import RollbackOrder, roll_back
from tasks.rollout.trial_controller_lease import controlling
from tasks.runtime.events import EventEvidence
from tasks.runtime.flow_runs import RunState
from tests.flows.durability.world import World
from tests.flows.release_bench import Bench, make_bench, traffic
from tests.gateway.running import wait_until
from tests.published import PIPELINE, bootstrap, corrupt, start_canary
from tests.tasks.incidents.contexts import RecordingRunner, run_id_of


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    return make_bench(tmp_path, monkeypatch)


def event(name, **payload):
    return EventEvidence(id=uuid.uuid4(), name=name, occurred=datetime.now(UTC), payload=payload)


def check(cause, outcome):
    now = datetime.now(UTC)
    return CheckRecord(PIPELINE, cause, Verdict(cause.value, outcome, "log-loss", 900), now, now, now)


def evidence(cause, subject, observer="test"):
    return Evidence(PIPELINE, cause, subject, observer, datetime.now(UTC))


def handled(bench, ledger, incident, signals, runner=None):
    """The incident after the repair loop has settled it with these signals, as the healer with lease token 1."""
    executor = StepExecutor(bench.settings, ledger, runner or InlineRunner({}), Memory(), token=1)
    policy = policy_of(load_pipeline(PIPELINE, bench.settings.pipelines_dir), bench.settings)
    met = RepairLoop(PIPELINE, executor, lambda: policy, lambda: signals).settle(60)
    return next(each for each in met if each.id == incident.id)


def test_without_a_problem_nothing_is_done(bench):
    bootstrap(bench.root, bench.publish(1))
    assert heal(PIPELINE).incidents == ()
    with pytest.raises(UsageError, match="known: tiny"):
        heal("elsewhere")


def test_drift_that_only_an_event_claims_is_dismissed_with_a_reason(bench):
    with bench.ledger() as ledger:
        ledger.record_check(check(Cause.DATA_DRIFT, Outcome.PASS))
    claimed = event("autopilot.drift.detected")
    (treated,) = heal(PIPELINE, claimed).incidents
    assert (treated.cause, treated.status, treated.remedies) == (Cause.DATA_DRIFT, Status.DISMISSED, ())
    assert "data_drift PASS" in treated.notes[-1]
    assert heal(PIPELINE, claimed).incidents == ()  # the trigger may fire twice


def test_a_corrupted_champion_is_rolled_back_while_traffic_goes_on(bench):
    older, champion = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion, fallbacks=(older,))
    with bench.serve() as gateway:
        gateway.wait_for_generation(1)
        gateway.wait_for_worker(older.digest)
        with traffic(gateway, every_seconds=0.02) as codes:
            corrupt(bench.root, champion)
            os.kill(gateway.worker(champion.digest)["pid"], signal.SIGKILL)
            wait_until(lambda: ("model_corrupt", champion.digest) in gateway.problems(), "the corruption is reported")
            report = heal(PIPELINE)
        assert gateway.ask().headers["x-model-digest"] == older.digest
        assert "x-degraded" not in gateway.ask().headers
        assert heal(PIPELINE).incidents == ()
    assert set(codes) == {200}
    treated = next(t for t in report.incidents if t.cause is Cause.MODEL_CORRUPT)
    assert (treated.subject, treated.status) == (champion.digest, Status.RECOVERED), treated
    assert treated.remedies == (Remedy.ROLLBACK,)
    assert (bench.current.reason, bench.current.champion) == (Reason.ROLLBACK, older)
    assert bench.current.incident_id == treated.id
    with bench.ledger() as ledger:
        incident = ledger.incident(treated.id)
        account = account_of(ledger, incident)
    assert incident.detected_at <= incident.mitigated_at <= incident.ended_at
    assert account.requests.counts.total > 0
    assert account.requests.counts.failed == 0
    assert "attempt 1, rollback: succeeded" in page_file(bench.settings, incident).read_text()


def test_a_corrupt_fallback_is_removed_and_the_champion_stays(bench):
    fallback, champion = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion, fallbacks=(fallback,))
    corrupt(bench.root, fallback)
    with bench.serve() as gateway:
        wait_until(lambda: ("model_corrupt", fallback.digest) in gateway.problems(), "the corruption is reported")
        report = heal(PIPELINE)
    assert [t.status for t in report.incidents] == [Status.RECOVERED], report
    assert (bench.current.champion, bench.current.fallbacks) == (champion, ())


def test_a_corrupt_champion_without_an_intact_predecessor_or_copy_is_escalated(bench):
    champion = bench.publish(1)
    bootstrap(bench.root, champion)
    with bench.ledger() as ledger:
        incident = ledger.record_evidence(evidence(Cause.MODEL_CORRUPT, champion.digest))
        signals = Signals(problems=(ProblemSignal(Cause.MODEL_CORRUPT, champion.digest),), history=(bench.current,))
        handled(bench, ledger, incident, signals)
        after = ledger.incident(incident.id)
    assert after.status is Status.ESCALATED
    assert [(a.remedy, a.outcome) for a in after.attempts] == [
        (Remedy.ROLLBACK, AttemptOutcome.FUTILE),
        (Remedy.REPUBLISH, AttemptOutcome.FUTILE),
        (Remedy.ESCALATE, AttemptOutcome.SUCCEEDED),
    ]
    assert after.id in bench.settings.alerts_file.read_text()


def test_a_trial_whose_controller_died_is_aborted(bench):
    champion, candidate = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion)
    start_canary(bench.root, candidate, 0.5)
    heal(PIPELINE)
    assert (bench.current.reason, bench.current.challenger, bench.current.author) == (Reason.ABORT, None, "heal")


def test_a_champion_that_fails_on_labels_is_rolled_back_and_fenced(bench):
    older, champion = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion, fallbacks=(older,))
    with bench.ledger() as ledger:
        ledger.record_check(check(Cause.BAD_CANDIDATE, Outcome.FAIL))
        ledger.record_evidence(evidence(Cause.BAD_CANDIDATE, champion.digest))
    (treated,) = heal(PIPELINE).incidents
    assert (treated.status, treated.remedies) == (Status.RECOVERED, (Remedy.ABORT_CANARY, Remedy.ROLLBACK)), treated
    fence = bench.current.fence_of(champion.digest)
    assert (bench.current.champion, fence.by) == (older, "heal")


def test_a_challenger_that_only_an_event_reports_stays_on_trial(bench):
    champion, candidate = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion)
    start_canary(bench.root, candidate, 0.5)
    with controlling(bench.settings.ledger_dsn, PIPELINE):
        (treated,) = heal(PIPELINE, event("autopilot.canary.aborted", subject=candidate.digest)).incidents
    assert (treated.status, treated.remedies) == (Status.DISMISSED, ())
    assert (bench.current.challenger.model, bench.current.fenced) == (candidate, ())


@pytest.mark.parametrize(("age", "resumed"), [(timedelta(0), True), (timedelta(hours=1), False)])
def test_a_stranded_trial_is_resumed_while_its_stage_lasts(bench, monkeypatch, age, resumed):
    champion, candidate = bench.publish(1), bench.publish(2)
    first = bootstrap(bench.root, champion)
    stage = load_pipeline(PIPELINE, bench.settings.pipelines_dir).release.stages[0]
    challenger = Challenger(candidate, stage.mode, stage.weight)
    bench.log.append(trial_of(first, challenger, author="release", now=datetime.now(UTC) - age, incident_id="i1"))
    started = []

    def start(deployment, parameters, idempotency_key):
        started.append((deployment, dict(parameters), idempotency_key))
        return "run"

    monkeypatch.setattr("tasks.incidents.flow_runner.start_run", start)
    monkeypatch.setenv("AUTOPILOT_DISPATCH", "deployment")
    heal(PIPELINE)
    heal(PIPELINE)
    assert (bench.current.challenger is not None) is resumed
    assert len({key for _, _, key in started}) == (1 if resumed else 0)  # Prefect makes one run of the two
    for deployment, parameters, _ in started:
        assert deployment == "release/release"
        assert parameters == {"pipeline": PIPELINE, "digest": candidate.digest, "incident_id": "i1"}


def test_an_attempt_of_a_killed_heal_fails_and_the_next_remedy_is_applied(bench):
    older, champion = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion, fallbacks=(older,))
    with bench.ledger() as ledger:
        incident = ledger.record_evidence(evidence(Cause.MODEL_FAILING, champion.digest), status=Status.DIAGNOSED)
        ledger.start_attempt(incident.id, Remedy.RESTART_WORKER, str(uuid.uuid4()))  # a run that Prefect does not know
        signals = Signals(problems=(ProblemSignal(Cause.MODEL_FAILING, champion.digest),), history=(bench.current,))
        handled(bench, ledger, incident, signals)
        after = ledger.incident(incident.id)
    assert [(a.remedy, a.outcome) for a in after.attempts] == [
        (Remedy.RESTART_WORKER, AttemptOutcome.FAILED),
        (Remedy.ROLLBACK, AttemptOutcome.SUCCEEDED),
    ]
    assert after.status is Status.RECOVERED
    assert bench.current.champion == older


def test_an_attempt_of_a_newer_healer_is_left_alone(bench):
    with bench.ledger() as ledger:
        incident = ledger.record_evidence(evidence(Cause.QUALITY_DROP, "champion"), status=Status.DIAGNOSED)
        ledger.start_attempt(incident.id, Remedy.RETRAIN, lease_token=2)
        result = handled(bench, ledger, incident, Signals())
        after = ledger.incident(incident.id)
    assert after.running_attempt is not None
    assert "retrain is being applied" in result.notes[0]


@pytest.mark.parametrize(
    ("result", "outcome", "status"),
    [
        ("not_better", AttemptOutcome.FUTILE, Status.ESCALATED),
        ("failed", AttemptOutcome.FAILED, Status.HEALING),
    ],
)
def test_a_retrain_without_a_new_champion_does_not_close_its_incident(bench, result, outcome, status):
    bootstrap(bench.root, bench.publish(1))
    signals = Signals(checks={Cause.QUALITY_DROP: (check(Cause.QUALITY_DROP, Outcome.FAIL).verdict,)})
    with bench.ledger() as ledger:
        incident = ledger.record_evidence(evidence(Cause.QUALITY_DROP, "champion"), status=Status.DIAGNOSED)
        ledger.start_attempt(incident.id, Remedy.RETRAIN, str(uuid.uuid4()))
        ledger.record_entry(PIPELINE, "retrain.finished", PIPELINE, {"result": result, "incident_id": incident.id})
        handled(bench, ledger, incident, signals)
        after = ledger.incident(incident.id)
    assert after.attempts[0].outcome is outcome
    assert after.status is status


@pytest.mark.parametrize("stayed", [True, False])
def test_a_retrain_killed_after_its_promotion_is_judged_by_the_champion(bench, stayed):
    older, candidate = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, older)
    signals = Signals(checks={Cause.QUALITY_DROP: (check(Cause.QUALITY_DROP, Outcome.FAIL).verdict,)})
    with bench.ledger() as ledger:
        incident = ledger.record_evidence(evidence(Cause.QUALITY_DROP, "champion"), status=Status.DIAGNOSED)
        ledger.start_attempt(incident.id, Remedy.RETRAIN, str(uuid.uuid4()))  # a run that Prefect does not know
        trial = start_canary(bench.root, candidate, 0.5)
        bench.log.append(promotion_of(trial, author="release", now=datetime.now(UTC)))
        if not stayed:
            roll_back(bench.root, bench.keys.public, RollbackOrder(PIPELINE, "heal"))
        handled(bench, ledger, incident, signals)
        after = ledger.incident(incident.id)
    expected = (AttemptOutcome.SUCCEEDED, Status.RECOVERED) if stayed else (AttemptOutcome.FAILED, Status.HEALING)
    assert (after.attempts[0].outcome, after.status) == expected


def test_an_incident_of_ingestion_is_left_to_it_at_first(bench):
    with bench.ledger() as ledger:
        ledger.record_evidence(evidence(Cause.SOURCE_UNAVAILABLE, "primary"), status=Status.DIAGNOSED)
    (treated,) = heal(PIPELINE).incidents
    assert (treated.status, treated.remedies) == (Status.DIAGNOSED, ())


def test_ingestion_that_is_silent_is_started_and_the_attempt_names_its_run(bench):
    bench.monkeypatch.setattr("tasks.incidents.incident_view.run_state", lambda _: RunState.ACTIVE)
    runner = RecordingRunner()
    with bench.ledger() as ledger:
        silent = replace(
            evidence(Cause.SOURCE_UNAVAILABLE, "primary"), observed_at=datetime.now(UTC) - timedelta(hours=1)
        )
        incident = ledger.record_evidence(silent, status=Status.DIAGNOSED)
        result = handled(bench, ledger, incident, Signals(), runner)
        running = ledger.incident(incident.id).running_attempt
    assert runner.started == [("ingest/ingest", {"pipeline": PIPELINE}, f"{incident.id}/1")]
    assert (result.status, result.remedies) == (Status.HEALING, (Remedy.RETRY,))
    assert running.flow_run_id == run_id_of(f"{incident.id}/1")


def test_heal_runs_ingestion_in_its_own_process_without_a_worker(tmp_path, monkeypatch):
    world = World(tmp_path).build()
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(world.pipelines))
    with Ledger(load_settings().ledger_dsn) as ledger:
        ledger.record_evidence(
            Evidence("small", Cause.SOURCE_UNAVAILABLE, "gone", "ingest", datetime.now(UTC) - timedelta(hours=1)),
            status=Status.DIAGNOSED,
        )
        heal("small")
        assert {record.table for record in ledger.batches("small")} == {"rows", "outcomes", "weather"}


def test_one_retrain_serves_all_incidents_of_the_pipeline(bench):
    bench.monkeypatch.setattr("tasks.incidents.incident_view.run_state", lambda _: RunState.ACTIVE)
    bootstrap(bench.root, bench.publish(1))
    runner = RecordingRunner()
    signals = Signals(checks={c: (check(c, Outcome.FAIL).verdict,) for c in (Cause.QUALITY_DROP, Cause.DATA_DRIFT)})
    with bench.ledger() as ledger:
        first, second = (
            ledger.record_evidence(evidence(cause, "champion"), status=Status.DIAGNOSED)
            for cause in (Cause.QUALITY_DROP, Cause.DATA_DRIFT)
        )
        handled(bench, ledger, first, signals, runner)
        waiting = handled(bench, ledger, second, signals, runner)
        assert ledger.incident(first.id).running_attempt.flow_run_id is not None
    assert [deployment for deployment, _, _ in runner.started] == ["retrain/retrain"]
    assert (waiting.status, waiting.remedies) == (Status.DIAGNOSED, ())
    assert f"waits for the retrain of incident {first.id}" in waiting.notes[-1]


def test_a_lost_attempt_fails_even_if_its_remedy_cannot_treat_the_cause(bench):
    with bench.ledger() as ledger:
        incident = ledger.record_evidence(evidence(Cause.UNKNOWN, "primary"), status=Status.DIAGNOSED)
        ledger.start_attempt(incident.id, Remedy.SWITCH_SOURCE, str(uuid.uuid4()))  # a run that Prefect does not know
        result = handled(bench, ledger, incident, Signals())
        after = ledger.incident(incident.id)
    assert (result.status, result.remedies) == (Status.ESCALATED, (Remedy.ESCALATE,))
    assert after.attempts[0].outcome is AttemptOutcome.FAILED


def test_a_learned_order_is_recorded_with_its_odds(bench):
    bench.monkeypatch.setenv("AUTOPILOT_HEAL_LEARNING", "true")
    settings = load_settings()
    champion = bench.publish(1)
    bootstrap(bench.root, champion)
    signals = Signals(problems=(ProblemSignal(Cause.MODEL_CORRUPT, champion.digest),), history=(bench.current,))
    with bench.ledger() as ledger:
        incident = ledger.record_evidence(evidence(Cause.MODEL_CORRUPT, champion.digest))
        executor = StepExecutor(settings, ledger, InlineRunner({}), Memory(), token=1)
        policy = policy_of(load_pipeline(PIPELINE, settings.pipelines_dir), settings)
        RepairLoop(PIPELINE, executor, lambda: policy, lambda: signals).settle(60)
        *_, chosen = ledger.entries(PIPELINE, "remedy.chosen")  # the first: one entry per attempt
    odds = chosen.detail["odds"]
    assert (chosen.subject, set(odds)) == (incident.id, {"rollback", "republish"})
    assert chosen.detail["remedy"] in odds
    assert sum(odds.values()) == pytest.approx(1)
