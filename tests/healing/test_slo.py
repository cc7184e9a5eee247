"""The verdict on service: shares of answered requests, and INCONCLUSIVE without requests."""

import pytest

from healing.slo import MITIGATED, AnswerCounts, Objective, judge_served
from healing.verdict import Outcome

BY_CHAMPION = Objective(undegraded_min=0.99)


@pytest.mark.parametrize(
    ("served", "objective", "outcome"),
    [
        (AnswerCounts(), MITIGATED, Outcome.INCONCLUSIVE),
        (AnswerCounts(degraded=10), MITIGATED, Outcome.PASS),
        (AnswerCounts(degraded=10), BY_CHAMPION, Outcome.FAIL),
        (AnswerCounts(good=100), BY_CHAMPION, Outcome.PASS),
        (AnswerCounts(good=99, failed=1), BY_CHAMPION, Outcome.FAIL),
        (AnswerCounts(good=5), Objective(requests_min=6), Outcome.INCONCLUSIVE),
    ],
)
def test_shares_decide(served, objective, outcome):
    assert judge_served(served, objective).outcome is outcome


def test_counters_reset_by_a_restart_count_from_zero():
    assert AnswerCounts(50, 5, 1).since(AnswerCounts(40, 5, 1)) == AnswerCounts(10, 0, 0)
    assert AnswerCounts(3, 0, 0).since(AnswerCounts(40, 5, 1)) == AnswerCounts(3, 0, 0)
