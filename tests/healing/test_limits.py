"""Limits: how soon they notify a person, and which of them repeat a remedy without an end."""

from itertools import pairwise

import pytest

from healing.limits import Limits, attempts_possible, loops, never_escalates, seconds_to_use_up

DAY_SECONDS = 86_400.0


def test_the_default_limits_notify_a_person_within_two_minutes_and_do_not_loop():
    assert seconds_to_use_up(Limits()) == 90
    assert not never_escalates(Limits())
    assert not loops(Limits(), 2)


def test_the_window_bounds_the_attempts_of_an_hour():
    assert attempts_possible(Limits(), 2, 3_600) == 3
    assert attempts_possible(Limits(window_seconds=600, attempts_daily_max=1_000), 3, 3_600) == 18


def test_a_longer_cooldown_never_allows_more_attempts():
    counts = [
        attempts_possible(Limits(window_seconds=120, cooldown_seconds=seconds, attempts_daily_max=500), 2, 3_600)
        for seconds in (0, 1, 10, 60, 119, 600)
    ]
    assert all(earlier >= later for earlier, later in pairwise(counts)), counts


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(window_seconds=60, cooldown_seconds=0), True),  # 3 attempts per minute reach 24 in 8 minutes
        (Limits(window_seconds=60, cooldown_seconds=600), False),  # 2 remedies every 10 minutes: 12 in an hour
        (Limits(window_seconds=1_800), False),
        (Limits(attempts_daily_max=3), False),  # the budget stops it at the same time
    ],
)
def test_limits_loop_if_a_problem_that_returns_uses_up_the_day_within_an_hour(limits, expected):
    assert loops(limits, 2) is expected


def test_an_incident_that_waits_for_more_than_a_day_never_escalates():
    assert never_escalates(Limits(attempts_max=10, cooldown_seconds=3_600))
    assert not never_escalates(Limits(attempts_max=2, cooldown_seconds=DAY_SECONDS))
