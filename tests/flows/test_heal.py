"""What breaks is healed, once, whoever reports it; what is not broken is left alone."""

import os
import signal
import uuid
from datetime import UTC, date, datetime, timedelta

import pytest

from flows.heal import heal
from flows.renewal import learned_in_vain
from flows.treatment import Treatment
from healing.diagnosis import GatewayProblem, Signals
from healing.errors import UsageError
from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy, Status
from healing.policy import Policy
from healing.release import Challenger, Reason
from healing.verdict import Outcome, Verdict
from releases.log import abort_of, promotion_of, trial_of
from tasks.config.pipeline import load_pipeline
from tasks.ledger.records import CheckRecord, FeatureRecord
from tasks.rollout.release_changes import rollout_lock
from tasks.rollout.rollback import RollbackOrder, roll_back
from tasks.runtime.events import EventEvidence
from tests.flows.release_bench import Bench, make_bench, traffic
from tests.gateway.running import wait_until
from tests.published import PIPELINE, bootstrap, corrupt, start_canary


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


def test_nothing_wrong_is_nothing_done(bench):
    bootstrap(bench.root, bench.publish(1))
    assert heal(PIPELINE).incidents == ()
    with pytest.raises(UsageError, match="known: tiny"):
        heal("elsewhere")


def test_drift_that_only_an_event_claims_is_dismissed_with_the_reason(bench):
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
            wait_until(lambda: ("model_corrupt", champion.digest) in gateway.problems(), "the corruption is seen")
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
    assert incident.detected_at <= incident.mitigated_at <= incident.ended_at


def test_a_corrupt_fallback_leaves_and_the_champion_stays(bench):
    fallback, champion = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion, fallbacks=(fallback,))
    corrupt(bench.root, fallback)
    with bench.serve() as gateway:
        wait_until(lambda: ("model_corrupt", fallback.digest) in gateway.problems(), "the corruption is seen")
        report = heal(PIPELINE)
    assert [t.status for t in report.incidents] == [Status.RECOVERED], report
    assert (bench.current.champion, bench.current.fallbacks) == (champion, ())


def test_a_champion_without_whole_predecessor_is_given_to_a_person(bench):
    champion = bench.publish(1)
    bootstrap(bench.root, champion)
    with bench.ledger() as ledger:
        incident = ledger.record_evidence(evidence(Cause.MODEL_CORRUPT, champion.digest))
        signals = Signals(problems=(GatewayProblem(Cause.MODEL_CORRUPT, champion.digest),), history=(bench.current,))
        after = Treatment(bench.settings, ledger, Policy(), lambda: signals, run_id=None).treat(incident)
    assert after.status is Status.ESCALATED
    assert [a.remedy for a in after.attempts] == [Remedy.ROLLBACK, Remedy.ESCALATE]
    assert after.attempts[0].outcome is AttemptOutcome.FUTILE
    assert after.id in bench.settings.alerts_file.read_text()


def test_a_trial_whose_controller_died_is_ended(bench):
    champion, candidate = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion)
    start_canary(bench.root, candidate, 0.5)
    heal(PIPELINE)
    assert (bench.current.reason, bench.current.challenger, bench.current.author) == (Reason.ABORT, None, "heal")


def test_a_champion_that_labels_condemn_is_rolled_back_and_fenced(bench):
    older, champion = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion, fallbacks=(older,))
    with bench.ledger() as ledger:
        ledger.record_check(check(Cause.BAD_CANDIDATE, Outcome.FAIL))
        ledger.record_evidence(evidence(Cause.BAD_CANDIDATE, champion.digest))
    (treated,) = heal(PIPELINE).incidents
    assert (treated.status, treated.remedies) == (Status.RECOVERED, (Remedy.ABORT_CANARY, Remedy.ROLLBACK)), treated
    fence = bench.current.fence_of(champion.digest)
    assert (bench.current.champion, fence.by) == (older, "heal")


def test_a_challenger_that_only_an_event_condemns_stays_on_trial(bench):
    champion, candidate = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion)
    start_canary(bench.root, candidate, 0.5)
    with rollout_lock(bench.root):
        (treated,) = heal(PIPELINE, event("autopilot.canary.aborted", subject=candidate.digest)).incidents
    assert (treated.status, treated.remedies) == (Status.DISMISSED, ())
    assert (bench.current.challenger.model, bench.current.fenced) == (candidate, ())


@pytest.mark.parametrize(("age", "taken_up"), [(timedelta(0), True), (timedelta(hours=1), False)])
def test_a_stranded_trial_is_taken_up_by_a_new_controller_while_its_stage_lasts(bench, monkeypatch, age, taken_up):
    champion, candidate = bench.publish(1), bench.publish(2)
    first = bootstrap(bench.root, champion)
    stage = load_pipeline(PIPELINE, bench.settings.pipelines_dir).release.stages[0]
    challenger = Challenger(candidate, stage.mode, stage.weight)
    bench.log.append(trial_of(first, challenger, author="release", now=datetime.now(UTC) - age, incident_id="i1"))
    started = []

    def start(deployment, parameters, idempotency_key):
        started.append((deployment, dict(parameters), idempotency_key))
        return "run"

    monkeypatch.setattr("flows.heal.start_run", start)
    monkeypatch.setenv("AUTOPILOT_DISPATCH", "deployment")
    heal(PIPELINE)
    heal(PIPELINE)
    assert (bench.current.challenger is not None) is taken_up
    assert len({key for _, _, key in started}) == (1 if taken_up else 0)  # Prefect makes one run of the two
    for deployment, parameters, _ in started:
        assert deployment == "release/release"
        assert parameters == {"pipeline": PIPELINE, "digest": candidate.digest, "incident_id": "i1"}


def test_a_remedy_that_a_killed_heal_started_is_judged_lost_and_tried_again(bench):
    older, champion = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion, fallbacks=(older,))
    with bench.ledger() as ledger:
        incident = ledger.record_evidence(evidence(Cause.MODEL_FAILING, champion.digest), status=Status.DIAGNOSED)
        ledger.start_attempt(incident.id, Remedy.RESTART_WORKER, str(uuid.uuid4()))  # a run that Prefect does not know
        signals = Signals(problems=(GatewayProblem(Cause.MODEL_FAILING, champion.digest),), history=(bench.current,))
        after = Treatment(bench.settings, ledger, Policy(), lambda: signals, run_id=None).treat(
            ledger.incident(incident.id)
        )
    assert [(a.remedy, a.outcome) for a in after.attempts] == [
        (Remedy.RESTART_WORKER, AttemptOutcome.FAILED),
        (Remedy.ROLLBACK, AttemptOutcome.SUCCEEDED),
    ]
    assert after.status is Status.RECOVERED
    assert bench.current.champion == older


def test_what_another_heal_has_just_started_is_left_to_it(bench):
    with bench.ledger() as ledger:
        incident = ledger.record_evidence(evidence(Cause.QUALITY_DROP, "champion"), status=Status.DIAGNOSED)
        ledger.start_attempt(incident.id, Remedy.RETRAIN)
        treatment = Treatment(bench.settings, ledger, Policy(), Signals, run_id=None)
        after = treatment.treat(ledger.incident(incident.id))
    assert after.running_attempt is not None
    assert "goes on" in treatment.notes[0]


@pytest.mark.parametrize(
    ("result", "outcome", "status"),
    [
        ("not_better", AttemptOutcome.FUTILE, Status.ESCALATED),
        ("failed", AttemptOutcome.FAILED, Status.HEALING),
    ],
)
def test_a_retrain_without_new_champion_does_not_close_its_incident(bench, result, outcome, status):
    bootstrap(bench.root, bench.publish(1))
    signals = Signals(checks={Cause.QUALITY_DROP: (check(Cause.QUALITY_DROP, Outcome.FAIL).verdict,)})
    with bench.ledger() as ledger:
        incident = ledger.record_evidence(evidence(Cause.QUALITY_DROP, "champion"), status=Status.DIAGNOSED)
        ledger.start_attempt(incident.id, Remedy.RETRAIN, str(uuid.uuid4()))
        ledger.record_entry(PIPELINE, "retrain.finished", PIPELINE, {"result": result, "incident_id": incident.id})
        after = Treatment(bench.settings, ledger, Policy(), lambda: signals, run_id=None).treat(
            ledger.incident(incident.id)
        )
    assert after.attempts[0].outcome is outcome
    assert after.status is status


@pytest.mark.parametrize("stayed", [True, False])
def test_a_retrain_that_was_killed_after_its_promotion_is_judged_by_what_serves(bench, stayed):
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
        after = Treatment(bench.settings, ledger, Policy(), lambda: signals, run_id=None).treat(
            ledger.incident(incident.id)
        )
    expected = (AttemptOutcome.SUCCEEDED, Status.RECOVERED) if stayed else (AttemptOutcome.FAILED, Status.HEALING)
    assert (after.attempts[0].outcome, after.status) == expected


def test_the_same_days_are_not_learned_from_in_vain_twice(bench):
    bootstrap(bench.root, bench.publish(1))
    with bench.ledger() as ledger:
        ledger.record_features([FeatureRecord(PIPELINE, date(2013, 3, 1), 1, 900, 1)])
        assert learned_in_vain(bench.settings, PIPELINE) is None
        ledger.record_entry(PIPELINE, "retrain.finished", PIPELINE, {"result": "not_better", "until": "2013-03-01"})
        assert learned_in_vain(bench.settings, PIPELINE) == date(2013, 3, 1)
        incident = ledger.record_evidence(evidence(Cause.QUALITY_DROP, "champion"), status=Status.DIAGNOSED)
        signals = Signals(checks={Cause.QUALITY_DROP: (check(Cause.QUALITY_DROP, Outcome.FAIL).verdict,)})
        after = Treatment(bench.settings, ledger, Policy(), lambda: signals, run_id=None).treat(incident)
        assert (after.status, after.attempts[0].outcome) == (Status.ESCALATED, AttemptOutcome.FUTILE)
        ledger.record_features([FeatureRecord(PIPELINE, date(2013, 3, 2), 1, 900, 2)])
        assert learned_in_vain(bench.settings, PIPELINE) is None


def test_a_candidate_that_was_fenced_is_not_trained_again_from_the_same_days(bench):
    champion, candidate = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion)
    trial = start_canary(bench.root, candidate, 0.5)
    bench.log.append(abort_of(trial, author="gateway", now=datetime.now(UTC), note="errors: 9 of 30", fence=True))
    ended = {"result": "aborted", "until": "2013-03-01", "digest": candidate.digest}
    with bench.ledger() as ledger:
        ledger.record_features([FeatureRecord(PIPELINE, date(2013, 3, 1), 1, 900, 1)])
        ledger.record_entry(PIPELINE, "retrain.finished", PIPELINE, {**ended, "digest": "0" * 64})
        assert learned_in_vain(bench.settings, PIPELINE) is None
        ledger.record_entry(PIPELINE, "retrain.finished", PIPELINE, ended)
    assert learned_in_vain(bench.settings, PIPELINE) == date(2013, 3, 1)


def test_another_champion_makes_the_same_days_worth_learning_from(bench):
    older, champion = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion, fallbacks=(older,))
    with bench.ledger() as ledger:
        ledger.record_features([FeatureRecord(PIPELINE, date(2013, 3, 1), 1, 900, 1)])
        ledger.record_entry(PIPELINE, "retrain.finished", PIPELINE, {"result": "not_better", "until": "2013-03-01"})
    roll_back(bench.root, bench.keys.public, RollbackOrder(PIPELINE, "heal"))
    assert learned_in_vain(bench.settings, PIPELINE) is None


def test_incidents_of_ingestion_are_left_to_it_at_first(bench):
    with bench.ledger() as ledger:
        ledger.record_evidence(evidence(Cause.SOURCE_UNAVAILABLE, "primary"), status=Status.DIAGNOSED)
    (treated,) = heal(PIPELINE).incidents
    assert (treated.status, treated.remedies) == (Status.DIAGNOSED, ())
