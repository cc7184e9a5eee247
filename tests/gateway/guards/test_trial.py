from datetime import UTC, datetime

from gateway.guards.trial import Trial
from healing.release import Challenger, Mode, ModelRef, Reason, Release


def trial(weight: float = 0.05) -> Trial:
    return Trial(Challenger(ModelRef("b" * 64, "2.0.0"), Mode.CANARY, weight), 2, alpha=0.001, ratio_tolerated=1.0)


def test_errors_of_one_client_that_retries_count_once():
    running = trial()
    for _ in range(50):
        assert not running.observe(challenger=True, failed=True, route_key="the same", latency_ms=1)
    assert running.arms[True].errors == 50
    assert running.test.errors_challenger == 1


def test_the_alarm_is_raised_once():
    running = trial()
    alarms = [running.observe(challenger=True, failed=True, route_key=f"client {n}", latency_ms=1) for n in range(20)]
    assert sum(alarms) == 1


def test_a_new_stage_counts_from_zero_and_keeps_the_evidence():
    running = trial()
    for number in range(2):
        running.observe(challenger=True, failed=True, route_key=str(number), latency_ms=1)
    before = running.test.log_e
    running.next_stage(
        Release(
            generation=3,
            created_at=datetime(2013, 3, 1, tzinfo=UTC),
            pipeline="tiny",
            author="test",
            reason=Reason.CANARY,
            champion=ModelRef("a" * 64, "1.0.0"),
            baseline=0.2,
            challenger=Challenger(running.challenger.model, Mode.CANARY, 0.2),
        )
    )
    assert (running.arms[True].requests, running.challenger.weight, running.generation) == (0, 0.2, 3)
    assert running.test.log_e == before
