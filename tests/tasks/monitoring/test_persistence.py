"""m-of-n persistence, cool-downs, and failures without action."""

from datetime import date

import pytest

from healing.verdict import Outcome, Verdict
from tasks.monitoring.persistence import CoolDown, act_on, persists

FAIL = Verdict("some", Outcome.FAIL, "because", observations=1000, statistic=0.1)
PASS = Verdict("some", Outcome.PASS, "because", observations=1000, statistic=0.1)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ("", False),
        ("F", False),
        ("FF", True),
        ("FPF", True),
        ("PFF", False),  # the newest does not fail
        ("FPPF", False),  # the second failure is too old
        ("FIF", True),
    ],
)
def test_a_failure_persists_once_two_of_three_windows_fail(outcomes, expected):
    names = {"F": Outcome.FAIL, "P": Outcome.PASS, "I": Outcome.INCONCLUSIVE}
    assert persists([names[letter] for letter in outcomes], needed=2, among=3) is expected


def test_a_failure_that_is_not_acted_on_is_inconclusive_and_keeps_its_numbers():
    kept = act_on(FAIL, acts=False, why_not="seasonal")
    assert kept.outcome is Outcome.INCONCLUSIVE
    assert kept.reason == "seasonal: because"
    assert kept.statistic == FAIL.statistic
    assert act_on(FAIL, acts=True, why_not="seasonal") is FAIL
    assert act_on(PASS, acts=False, why_not="seasonal") is PASS


def test_a_cool_down_follows_acceptance_and_the_last_action():
    cool_down = CoolDown(days=14)
    assert cool_down.ends(date(2013, 3, 1), None) == date(2013, 3, 15)
    assert cool_down.ends(date(2013, 3, 1), date(2013, 6, 1)) == date(2013, 6, 15)
