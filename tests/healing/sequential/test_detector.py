"""Saved sequential tests: a test resumes exactly where it was, and refuses the state of another kind of test."""

import pytest

from healing.sequential.absolute import AbsoluteRateTest
from healing.sequential.mean import BoundedMeanTest
from healing.sequential.relative import RelativeRateTest


def observed(test: AbsoluteRateTest) -> AbsoluteRateTest:
    for event in (False, True, False, False, True):
        test.observe(event=event)
    return test


def test_a_resumed_test_reaches_the_same_evidence():
    before = observed(AbsoluteRateTest(alpha=0.01, tolerated=0.02))
    after = AbsoluteRateTest(alpha=0.01, tolerated=0.02)
    after.resume(before.save())
    assert observed(after).log_e == pytest.approx(observed(before).log_e)
    assert (after.events, after.observations, after.rejected) == (4, 10, before.rejected)


@pytest.mark.parametrize("other", [RelativeRateTest(), BoundedMeanTest(alpha=0.01, low=-1, high=1, tolerated=0)])
def test_the_state_of_another_kind_of_test_is_refused(other):
    with pytest.raises(ValueError, match="begin anew"):
        AbsoluteRateTest(alpha=0.01, tolerated=0.02).resume(other.save())
