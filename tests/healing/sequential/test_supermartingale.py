"""Every e-value is a supermartingale: under its null hypothesis one more observation never raises its expectation.

The expectation over the next observation is computed exactly, in states that Hypothesis reaches by any history, with
restarts. A process whose expectation never grows is at most 1 on average at any stopping time.
"""

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healing.release import Mode
from healing.sequential.absolute import AbsoluteRateTest
from healing.sequential.bins import BINS, ReferenceBins
from healing.sequential.concentration import ConcentrationTest
from healing.sequential.mean import BoundedMeanTest
from healing.sequential.relative import RelativeRateTest
from healing.trial_evidence import Expected
from healing.trial_guard import TrialGuard
from healing.trial_rules import TrialCheck, TrialRules, share_of_alpha

ROUNDING = 1e-9
UNIT = st.floats(0, 1)
SHARES = st.sampled_from([0.05, 0.25, 0.5, 0.9])
DECILES = tuple(step / 10 for step in range(11))


def expected_e(step: Callable[[int], float], odds: Sequence[float]) -> float:
    """The expected e-value after the next observation: the sum of odds times e-value."""
    return math.fsum(chance * math.exp(step(which)) for which, chance in enumerate(odds) if chance > 0)


@given(st.lists(st.tuples(st.booleans(), SHARES) | st.none(), max_size=40), st.floats(1, 5), UNIT, SHARES, UNIT)
def test_relative(history, tolerated, within, share, rate):
    test = RelativeRateTest(0.001, tolerated)
    for event in history:
        if event is None:
            test.restart()
        else:
            test.observe(challenger=event[0], event=True, share=event[1])
    ratio = within * tolerated  # the challenger's rate is at most the tolerated multiple of the champion's
    rate_champion = rate / max(ratio, 1)
    odds = [share * rate_champion * ratio, (1 - share) * rate_champion]

    def step(which: int) -> float:
        after = RelativeRateTest(0.001, tolerated)
        after.resume(test.save())
        after.observe(challenger=which == 0, event=which < 2, share=share)
        return after.log_e

    assert expected_e(step, [*odds, 1 - sum(odds)]) <= math.exp(test.log_e) * (1 + ROUNDING)


@given(st.lists(st.booleans() | st.none(), max_size=60), st.floats(0.001, 0.9), UNIT)
def test_absolute(history, tolerated, within):
    test = AbsoluteRateTest(0.001, tolerated)
    for event in history:
        if event is None:
            test.restart()
        else:
            test.observe(event=event)

    def step(which: int) -> float:
        after = AbsoluteRateTest(0.001, tolerated)
        after.resume(test.save())
        after.observe(event=which == 0)
        return after.log_e

    rate = within * tolerated
    assert expected_e(step, [rate, 1 - rate]) <= math.exp(test.log_e) * (1 + ROUNDING)


@given(st.lists(st.floats(-1, 1) | st.none(), max_size=40), st.floats(-0.9, 0.9), UNIT, UNIT)
def test_mean(history, tolerated, low, high):
    test = BoundedMeanTest(0.001, -1, 1, tolerated)
    for value in history:
        if value is None:
            test.restart()
        else:
            test.observe(value)
    points = [tolerated - low * (tolerated + 1), tolerated + high * (1 - tolerated)]  # with a mean of `tolerated`
    spread = points[1] - points[0]
    odds = [1.0, 0.0] if spread < 1e-6 else [(points[1] - tolerated) / spread, (tolerated - points[0]) / spread]

    def step(which: int) -> float:
        after = BoundedMeanTest(0.001, -1, 1, tolerated)
        after.resume(test.save())
        after.observe(points[which])
        return after.log_e

    assert expected_e(step, odds) <= math.exp(test.log_e) * (1 + ROUNDING)


def concentration(history: Sequence[tuple[bool, float, float]]) -> ConcentrationTest:
    test = ConcentrationTest(ReferenceBins(DECILES), ReferenceBins(DECILES), tolerated=0.4)
    for pair, answer, given_answer in history:
        if pair:
            test.observe_pair(answer, given_answer)
        else:
            test.observe(challenger=answer > given_answer, answer=answer, share=0.25)
            test.settle(0.25)
    test.settle(1.0)
    return test


HISTORY = st.lists(st.tuples(st.booleans(), UNIT, UNIT), max_size=30)


@given(HISTORY, st.integers(0, BINS - 1), UNIT, UNIT)
def test_concentration_with_a_share_within_the_tolerance(history, place, within, champion_answer):
    test = concentration(history)
    rate = 0.4 * within

    def step(which: int) -> float:
        after = concentration(())
        after.resume(test.save())
        after.observe_pair(DECILES[place] + 0.05 if which == 0 else DECILES[(place + 5) % BINS] + 0.05, champion_answer)
        after.settle(1.0)
        return after._absolute[place].log_e

    assert expected_e(step, [rate, 1 - rate]) <= math.exp(test._absolute[place].log_e) * (1 + ROUNDING)
    assert test._log_e_of(place) <= test._absolute[place].log_e


@given(HISTORY, st.integers(1, BINS - 2), UNIT, UNIT, UNIT, st.sampled_from([None, 0.05, 0.5]))
def test_concentration_of_both_arms_answers(history, place, champion_rate, within, overlap, share):
    test = concentration(history)
    rate = min(1.0, champion_rate * within * 4 / 3)  # at most R times the champion's, in three bins of ten
    far = DECILES[(place + 5) % BINS] + 0.05
    near = DECILES[place] + 0.05
    if share is None:
        both = overlap * min(rate, champion_rate)
        both = max(both, rate + champion_rate - 1)
        odds = [rate - both, champion_rate - both, both, 1 - rate - champion_rate + both]
    else:
        odds = [share * rate, (1 - share) * champion_rate, 0.0, 1 - share * rate - (1 - share) * champion_rate]

    def step(which: int) -> float:
        after = concentration(())
        after.resume(test.save())
        if share is None:
            after.observe_pair(near if which in (0, 2) else far, near if which in (1, 2) else far)
        elif which < 2:
            after.observe(challenger=which == 0, answer=near, share=share)
        after.settle(1.0 if share is None else share)
        return after._relative[place].log_e

    assert expected_e(step, odds) <= math.exp(test._relative[place].log_e) * (1 + ROUNDING)
    assert test._log_e_of(place) <= test._relative[place].log_e


def guard_e(guard: TrialGuard) -> float:
    """The guard's statistic: the mean of the voting checks' e-values by their shares; that of quality is constant."""
    states = {state.check: state.log_e for state in guard.states()}
    return math.log(
        sum(share_of_alpha(check, guard.rules) * math.exp(states.get(check, 0.0)) for check in guard.rules.votes)
    )


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=30),
    st.sampled_from([0.05, 0.5]),
    st.floats(0, 0.3),
    st.floats(0, 0.3),
)
def test_the_whole_guard_between_the_arms(history, share, failing, slow):
    rules = TrialRules(votes=frozenset(TrialCheck))
    guard = TrialGuard(rules, Mode.CANARY, share, Expected())
    for challenger, failed, late in history:
        guard.observe(challenger, failed, late, None)
    kinds = [(arm, failed, late) for arm in (True, False) for failed in (True, False) for late in (True, False)]
    odds = []
    for arm, failed, late in kinds:
        slow_rate = slow * rules.slow_ratio_tolerated if arm else slow
        chance = share if arm else 1 - share
        odds.append(chance * (failing if failed else 1 - failing) * (slow_rate if late else 1 - slow_rate))

    def step(which: int) -> float:
        after = TrialGuard(rules, Mode.CANARY, share, Expected())
        after.resume(guard.save())
        after.observe(*kinds[which], None)
        return guard_e(after)

    assert math.fsum(odds) == pytest.approx(1)
    assert expected_e(step, odds) <= math.exp(guard_e(guard)) * (1 + ROUNDING)


def test_the_expectation_notices_a_bet_that_gains():
    """One step beyond the null hypothesis, in the initial state of a test."""
    test = AbsoluteRateTest(0.001, 0.1)

    def step(which: int) -> float:
        after = AbsoluteRateTest(0.001, 0.1)
        after.observe(event=which == 0)
        return after.log_e

    assert expected_e(step, [0.11, 0.89]) > math.exp(test.log_e) * (1 + 1e-3)
