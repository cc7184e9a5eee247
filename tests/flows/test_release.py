"""The release flow with a real gateway: bootstrap, promotion, abort, resumption, and what blocks a rollout."""

from threading import Thread

import pytest

from flows.release import release
from healing.errors import Conflict, ModelCorrupt
from healing.incident import Cause, Remedy, Status
from healing.promotion import Decision
from healing.release import Reason
from tasks.rollout.rollback import RollbackOrder, roll_back
from tasks.rollout.rollout import RolloutResult
from tasks.rollout.trial_controller_lease import controlling
from tests.flows.release_bench import Bench, make_bench, traffic
from tests.gateway.running import wait_until
from tests.published import BASELINE, PIPELINE, bootstrap, corrupt, raising_estimator, start_canary


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    return make_bench(tmp_path, monkeypatch)


def test_the_first_model_serves_at_once(bench):
    model = bench.publish(1)
    outcome = release(PIPELINE, model.digest, reason="first")
    assert outcome.result is RolloutResult.BOOTSTRAPPED
    assert bench.current.champion == model
    assert bench.current.baseline == BASELINE
    assert release(PIPELINE, model.digest).result is RolloutResult.PROMOTED
    assert bench.log.latest_generation() == 1


def test_a_corrupt_model_is_not_released(bench):
    model = bench.publish(1)
    corrupt(bench.root, model)
    with pytest.raises(ModelCorrupt):
        release(PIPELINE, model.digest)
    assert bench.log.latest_generation() == 0


def test_without_a_gateway_nothing_is_promoted(bench):
    champion, candidate = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion)
    outcome = release(PIPELINE, candidate.digest)
    assert outcome.result is RolloutResult.INCONCLUSIVE
    assert "autopilot up" in outcome.reason
    assert bench.current.champion == champion


def test_one_rollout_at_a_time(bench):
    model = bench.publish(1)
    with controlling(bench.settings.ledger_dsn, PIPELINE), pytest.raises(Conflict, match="another rollout"):
        release(PIPELINE, model.digest)


def test_a_sound_candidate_is_promoted_through_real_traffic_and_the_old_champion_kept_warm(bench):
    champion, candidate = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion)
    with bench.serve() as gateway:
        gateway.wait_for_generation(1)
        with traffic(gateway) as codes:
            outcome = release(PIPELINE, candidate.digest, incident_id="why")
        assert outcome.result is RolloutResult.PROMOTED, outcome
        assert gateway.release()["active_generation"] == outcome.generation
        assert gateway.ask().headers["x-model-digest"] == candidate.digest
    assert set(codes) == {200}
    assert [r.reason for r in bench.log.history()] == [Reason.BOOTSTRAP, Reason.CANARY, Reason.PROMOTE]
    assert bench.current.champion == candidate
    assert bench.current.fallbacks == (champion,)
    assert bench.current.incident_id == "why"
    assert outcome.verdicts[-1].requests >= 154  # fewer clean requests do not reject an error rate of 2 %
    with bench.ledger() as ledger:
        announced = [entry.detail["reason"] for entry in ledger.entries(PIPELINE, "release.committed")]
        assert announced == [
            "bootstrap",
            "promote",
            "canary",
        ]  # the bootstrap was announced last: nobody had announced it before
        assert ledger.incidents(PIPELINE) == []


def test_a_candidate_that_fails_live_is_aborted_and_recorded_as_a_recovered_incident(bench):
    champion = bench.publish(1)
    candidate = bench.publish(2, estimator=raising_estimator(2))
    bootstrap(bench.root, champion)
    with bench.serve() as gateway:
        gateway.wait_for_generation(1)
        with traffic(gateway, carrier="ZZ") as codes:
            outcome = release(PIPELINE, candidate.digest)
        assert gateway.ask().headers["x-model-digest"] == champion.digest
    assert set(codes) == {200}
    assert outcome.result is RolloutResult.ABORTED, outcome
    assert outcome.verdicts[-1].decision is Decision.ABORT
    assert bench.current.reason is Reason.ABORT
    assert bench.current.champion == champion
    with bench.ledger() as ledger:
        (incident,) = ledger.incidents(PIPELINE)
    assert (incident.cause, incident.subject) == (Cause.BAD_CANDIDATE, candidate.digest)
    assert incident.status is Status.RECOVERED
    assert [attempt.remedy for attempt in incident.attempts] == [Remedy.ABORT_CANARY]


def test_a_rerun_resumes_the_trial_of_a_killed_controller(bench):
    champion, candidate = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion)
    start_canary(bench.root, candidate, 0.5)
    with bench.serve() as gateway:
        gateway.wait_for_generation(2)
        with traffic(gateway):
            outcome = release(PIPELINE, candidate.digest)
    assert outcome.result is RolloutResult.PROMOTED, outcome
    assert [r.reason for r in bench.log.history()] == [Reason.BOOTSTRAP, Reason.CANARY, Reason.PROMOTE]


def test_a_stranded_trial_of_another_model_is_aborted(bench):
    champion, stranded, candidate = bench.publish(1), bench.publish(2), bench.publish(3)
    bootstrap(bench.root, champion)
    start_canary(bench.root, stranded, 0.5)
    outcome = release(PIPELINE, candidate.digest)
    assert outcome.result is RolloutResult.INCONCLUSIVE
    assert bench.current.reason is Reason.ABORT
    assert "its controller is gone" in bench.current.note


def test_a_trial_ended_by_a_rollback_is_inconclusive_and_opens_no_incident(bench):
    older, champion, candidate = bench.publish(1), bench.publish(2), bench.publish(3)
    bootstrap(bench.root, champion, fallbacks=(older,))

    def roll_back_once_on_trial() -> None:
        wait_until(lambda: bench.log.latest_generation() == 2, "the trial began")
        roll_back(bench.root, bench.keys.public, RollbackOrder(PIPELINE, "test", reason="champion broke"))

    with bench.serve() as gateway:
        gateway.wait_for_generation(1)
        thread = Thread(target=roll_back_once_on_trial)
        thread.start()
        outcome = release(PIPELINE, candidate.digest)
        thread.join()
    assert outcome.result is RolloutResult.INCONCLUSIVE, outcome
    assert bench.current.champion == older
    with bench.ledger() as ledger:
        assert ledger.incidents(PIPELINE) == []
