"""A service is silent after several failed checks in a row; a check that could not be made does not count."""

from concurrent.futures import Executor, Future, ThreadPoolExecutor
from threading import Event

import pytest

from cli.stack import health_checks
from cli.stack.health_checks import FAILURES_MIN, HealthChecks
from healing.errors import OrchestratorUnavailable


class AtOnce(Executor):
    """Runs a call when it is submitted."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except OrchestratorUnavailable as error:
            future.set_exception(error)
        return future


class Clock:
    """Stands in for the module `time`."""

    now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(health_checks, "time", clock)
    return clock


def silent_after(outcomes, clock, seconds_between=5.0):
    """Silence in seconds after checks with these outcomes, one per interval."""
    answers = iter(outcomes)

    def healthy():
        outcome = next(answers)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    checks = HealthChecks(healthy, AtOnce())
    for _ in outcomes:
        checks.advance(seconds_between)
        clock.now += seconds_between
    checks.advance(float("inf"))
    return checks.silent_seconds()


UNKNOWN = OrchestratorUnavailable("expected Prefect, found nothing")


@pytest.mark.parametrize(
    ("outcomes", "seconds"),
    [
        ([True] * 10, 0.0),
        ([True] + [False] * (FAILURES_MIN - 1), 0.0),
        ([True] + [False] * FAILURES_MIN, 5.0 * FAILURES_MIN),
        ([False] * FAILURES_MIN + [True], 0.0),
        ([False, False, False, True] * 5, 0.0),
        ([False, False, False, UNKNOWN] * 5, 0.0),
        ([True, *[UNKNOWN] * 10], 0.0),
        ([True, *[False] * 8], 40.0),
    ],
)
def test_silence_is_the_time_since_the_first_of_several_failures_in_a_row(clock, outcomes, seconds):
    assert silent_after(outcomes, clock) == seconds


def test_time_without_a_check_does_not_count_as_silence(clock):
    """As when a laptop was closed or the supervisor was stopped."""
    checks = HealthChecks(lambda: False, AtOnce())
    checks.advance()
    clock.now += 86_400
    checks.advance()
    assert checks.silent_seconds() == 0.0


def test_checks_are_not_made_more_often_than_asked_for(clock):
    made = []
    checks = HealthChecks(lambda: bool(made.append(clock.now)) or True, AtOnce())
    for _ in range(100):
        checks.advance(5.0)
        clock.now += 0.5
    assert len(made) == 10


def test_a_check_that_waits_does_not_block_the_caller():
    answer = Event()
    with ThreadPoolExecutor(1) as executor:
        checks = HealthChecks(lambda: answer.wait(60), executor)
        for _ in range(3):
            checks.advance(0.0)
            assert not checks.passed
        answer.set()
        while not checks.passed:
            checks.advance(3600.0)
