from datetime import UTC, datetime, timedelta

import pytest

from healing.moment import Moment
from tasks.runtime.clock import Stopwatch, current_moment

BEGAN = datetime(2013, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Clock:
    """A machine's wall and boot clock; `step` changes the wall clock only."""

    def __init__(self, wall):
        self.wall, self.boot = wall, 5000.0

    def __call__(self):
        return Moment(self.wall, "boot", self.boot)

    def run(self, seconds):
        self.wall += timedelta(seconds=seconds)
        self.boot += seconds

    def step(self, by):
        self.wall += by


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_step_of_the_wall_clock_changes_no_elapsed_time(step):
    clock = Clock(BEGAN + timedelta(seconds=20))
    running = Stopwatch.since(Moment(BEGAN), clock)
    assert running.seconds() == 20
    clock.run(10)
    clock.step(step)
    clock.run(5)
    assert running.seconds() == 35


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_step_before_it_runs_changes_nothing_where_the_boot_clock_was_recorded(step):
    clock = Clock(BEGAN)
    began = clock()
    clock.run(20)
    clock.step(step)
    assert Stopwatch.since(began, clock).seconds() == 20


def test_a_time_that_is_still_ahead_counts_as_now():
    clock = Clock(BEGAN)
    running = Stopwatch.since(Moment(BEGAN + HOUR), clock)
    clock.run(3)
    assert running.seconds() == 3


def test_it_runs_on_the_clock_of_this_machine():
    assert 0 <= Stopwatch.since(current_moment()).seconds() < 60
