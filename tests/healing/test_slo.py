"""Service is judged on what was served, and nothing served proves nothing."""

import pytest

from healing.slo import MITIGATED, Objective, Served, judge_served
from healing.verdict import Outcome

BY_CHAMPION = Objective(undegraded_min=0.99)


@pytest.mark.parametrize(
    ("served", "objective", "outcome"),
    [
        (Served(), MITIGATED, Outcome.INCONCLUSIVE),
        (Served(degraded=10), MITIGATED, Outcome.PASS),
        (Served(degraded=10), BY_CHAMPION, Outcome.FAIL),
        (Served(good=100), BY_CHAMPION, Outcome.PASS),
        (Served(good=99, failed=1), BY_CHAMPION, Outcome.FAIL),
        (Served(good=5), Objective(requests_min=6), Outcome.INCONCLUSIVE),
    ],
)
def test_shares_decide(served, objective, outcome):
    assert judge_served(served, objective).outcome is outcome


def test_counters_that_a_restart_set_back_count_from_zero():
    assert Served(50, 5, 1).since(Served(40, 5, 1)) == Served(10, 0, 0)
    assert Served(3, 0, 0).since(Served(40, 5, 1)) == Served(3, 0, 0)
