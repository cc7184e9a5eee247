"""The e-values agree with independent implementations.

`confseq` 0.0.11 by Howard & Waudby-Smith needs a C++ compiler and Boost to install, so the results of its
`betting_mart` for these observations, averaged over our bets, are kept here (computed once, from its source). It takes
a bet as λ in 1 + λ(x - m): for a rate p against p0 that is (p - p0) / (p0 (1 - p0)). SciPy's binomial distribution is
evaluated at test time.
"""

import math

import pytest
from scipy.stats import binom

from healing.sequential.absolute import AbsoluteRateTest
from healing.sequential.detector import EDetector
from healing.sequential.mean import BoundedMeanTest
from healing.sequential.relative import RelativeRateTest

OBSERVATIONS = [0.1, 0.9, 0.35, 0.6, 0.0, 1.0, 0.75, 0.2, 0.55, 0.8]
EVENTS = [0] * 30 + [1] + [0] * 9 + [1, 1] + [0] * 20 + [1] + [0] * 5
ARMS = [1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 1]


def first_run(log_e: float) -> float:
    """The e-value of run 1, which has weight 1/2, before any other run begins."""
    return 2 * (math.exp(log_e) - 0.5)


def test_means_agree_with_confseq():
    test = BoundedMeanTest(0.001, low=0, high=1, tolerated=0.3)
    for value in OBSERVATIONS:
        test.observe(value)
    assert first_run(test.log_e) == pytest.approx(4.464903452221833, rel=1e-12)


def test_absolute_rates_agree_with_confseq():
    test = AbsoluteRateTest(0.001, tolerated=0.02)
    for event in EVENTS:
        test.observe(event=bool(event))
    assert first_run(test.log_e) == pytest.approx(0.8130770495551177, rel=1e-12)


def test_relative_rates_agree_with_confseq():
    test = RelativeRateTest(0.001, tolerated_ratio=1.5)
    for challenger in ARMS:
        test.observe(challenger=bool(challenger), event=True, share=0.2)
    assert first_run(test.log_e) == pytest.approx(1.2984189774625, rel=1e-12)


def test_absolute_rates_agree_with_likelihood_ratios_of_scipys_binomial_distribution():
    test = AbsoluteRateTest(0.001, tolerated=0.1)
    for event in [True] * 7 + [False] * 53:
        test.observe(event=event)
    low, high = math.log(1.3 * 0.1 / 0.9), math.log(99)
    rates = [1 / (1 + math.exp(-(low + (high - low) * step / 15))) for step in range(16)]
    ratios = [binom.pmf(7, 60, rate) / binom.pmf(7, 60, 0.1) for rate in rates]
    assert first_run(test.log_e) == pytest.approx(sum(ratios) / len(ratios), rel=1e-9)


def test_the_sum_over_runs_follows_its_definition():
    factors = [[1.5, 0.5], [0.8, 1.3], [2.0, 1.1], [0.9, 0.7], [1.2, 3.0], [1.0, 0.4]]
    begins = [0, 2, 3, 5]  # the step before which runs 1, 2, 3 and 4 begin
    detector = EDetector(alternatives=2, live_max=2)
    for step, pair in enumerate(factors):
        if step in begins[1:]:
            detector.restart()
        detector.bet([math.log(factor) for factor in pair])
    first = (math.prod(pair[0] for pair in factors) + math.prod(pair[1] for pair in factors)) / 2 / 2
    # Two runs may be live. Run 2 is the weaker one when run 3 begins, run 3 when run 4 begins; each is then frozen.
    second = (2.0 + 1.1) / 2 / 6
    third = (0.9 * 1.2 + 0.7 * 3.0) / 2 / 12
    fourth = (1.0 + 0.4) / 2 / 20
    not_begun = 1 / 5
    assert math.exp(detector.log_e) == pytest.approx(first + second + third + fourth + not_begun, rel=1e-12)
