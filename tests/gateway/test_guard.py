from datetime import UTC, datetime

from gateway.guard import CONSECUTIVE_FAILURES_MAX, WINDOW_REQUESTS, Breaker, Trial
from healing.release import Challenger, Mode, ModelRef, Reason, Release


def test_a_breaker_opens_after_failures_in_a_row_and_closes_after_a_good_probe():
    breaker = Breaker()
    for _ in range(CONSECUTIVE_FAILURES_MAX):
        assert breaker.lets_through(0)
        breaker.record(failed=True, now=0)
    assert not breaker.lets_through(0.9)
    assert breaker.lets_through(1.0)  # the probe
    assert not breaker.lets_through(1.1)  # the others wait for it
    breaker.record(failed=False, now=1.2)
    assert breaker.closed
    assert breaker.lets_through(1.3)


def test_each_failed_probe_doubles_the_wait():
    breaker = Breaker()
    for _ in range(CONSECUTIVE_FAILURES_MAX):
        breaker.record(failed=True, now=0)
    now = 0.0
    for seconds in (1, 2, 4, 8, 16, 30, 30):
        assert not breaker.lets_through(now + seconds - 0.01)
        now += seconds
        assert breaker.lets_through(now)
        breaker.record(failed=True, now=now)


def test_a_rate_above_five_percent_opens_it_and_one_below_does_not():
    sound, failing = Breaker(), Breaker()
    for number in range(WINDOW_REQUESTS):
        sound.record(failed=number % 25 == 24, now=0)
        failing.record(failed=number % 12 == 11, now=0)
    assert sound.closed
    assert not failing.closed


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
