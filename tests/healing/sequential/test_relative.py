"""Over many seeds, the test rejects rarely when the arms are equal, and soon when the challenger is worse."""

import math
import random
from statistics import median

import pytest

from healing.sequential.detector import LIVE_RUNS_MAX
from healing.sequential.relative import RESTART_REQUESTS, RelativeRateTest

SEEDS = 200


def rejected_after(
    seed: int, *, challenger_rate: float, champion_rate: float, share: float, requests: int, alpha: float
) -> int | None:
    """Challenger requests until the rejection, None without one within `requests` of both arms."""
    generator = random.Random(seed)
    test = RelativeRateTest(alpha=alpha)
    seen = 0
    for _ in range(requests):
        challenger = generator.random() < share
        seen += challenger
        failed = generator.random() < (challenger_rate if challenger else champion_rate)
        test.observe(challenger=challenger, event=failed, share=share)
        if test.rejected:
            return seen
    return None


@pytest.mark.parametrize(("rate", "share"), [(0.05, 0.05), (0.3, 0.2), (0.02, 0.5)])
def test_equal_arms_are_rejected_in_at_most_alpha_of_whole_runs(rate, share):
    alpha = 0.05
    rejections = sum(
        rejected_after(seed, challenger_rate=rate, champion_rate=rate, share=share, requests=5_000, alpha=alpha)
        is not None
        for seed in range(SEEDS)
    )
    # alpha bounds the expected share; three standard deviations keep this test from failing by chance
    assert rejections / SEEDS <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / SEEDS)


def test_at_the_default_level_no_sound_canary_of_200_is_aborted():
    assert not any(
        rejected_after(seed, challenger_rate=0.01, champion_rate=0.01, share=0.05, requests=5_000, alpha=0.001)
        for seed in range(SEEDS)
    )


def test_five_percent_against_a_third_of_a_percent_is_rejected_within_110_canary_requests_at_the_median():
    found = [
        rejected_after(seed, challenger_rate=0.05, champion_rate=0.003, share=0.05, requests=40_000, alpha=0.001)
        for seed in range(SEEDS)
    ]
    assert None not in found
    assert median(found) <= 110


def test_total_failure_is_rejected_within_five_canary_requests():
    for seed in range(SEEDS):
        seen = rejected_after(seed, challenger_rate=1, champion_rate=0.003, share=0.05, requests=5_000, alpha=0.001)
        assert seen is not None
        assert seen <= 5


def test_a_shared_outage_is_not_rejected():
    rejections = 0
    for seed in range(SEEDS):
        generator = random.Random(seed)
        test = RelativeRateTest(alpha=0.01)
        for number in range(3_000):
            rate = 0.9 if 1_000 <= number < 1_500 else 0.001
            test.observe(challenger=generator.random() < 0.1, event=generator.random() < rate, share=0.1)
        rejections += test.rejected
    assert rejections / SEEDS <= 0.01 + 3 * math.sqrt(0.01 * 0.99 / SEEDS)


def test_a_changing_share_is_not_mistaken_for_a_changing_error_rate():
    rejections = 0
    for seed in range(SEEDS):
        generator = random.Random(seed)
        test = RelativeRateTest(alpha=0.01)
        for share in (0.01, 0.05, 0.2, 0.5):
            for _ in range(700):
                test.observe(challenger=generator.random() < share, event=generator.random() < 0.05, share=share)
            test.restart()
        rejections += test.rejected
    assert rejections / SEEDS <= 0.01 + 3 * math.sqrt(0.01 * 0.99 / SEEDS)


def test_a_version_that_turns_bad_late_is_rejected_soon():
    generator = random.Random(1)
    test = RelativeRateTest()
    for _ in range(10 * RESTART_REQUESTS):
        test.observe(challenger=generator.random() < 0.05, event=generator.random() < 0.01, share=0.05)
    assert not test.rejected
    canary_requests = 0
    while not test.rejected and canary_requests < 1_000:
        challenger = generator.random() < 0.05
        canary_requests += challenger
        failed = generator.random() < (0.5 if challenger else 0.01)
        test.observe(challenger=challenger, event=failed, share=0.05)
    assert canary_requests <= 60


def test_many_restarts_keep_memory_bounded_and_the_e_value_at_most_one_without_errors():
    test = RelativeRateTest()
    for _ in range(3 * LIVE_RUNS_MAX):
        test.restart()
    assert test.log_e == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_errors_while_only_one_arm_has_traffic_are_no_evidence(share):
    test = RelativeRateTest()
    for _ in range(100):
        test.observe(challenger=share == 1, event=True, share=share)
    assert test.log_e == pytest.approx(0, abs=1e-9)


def test_a_rejection_stays_when_evidence_fades():
    test = RelativeRateTest()
    for _ in range(6):
        test.observe(challenger=True, event=True, share=0.05)
    assert test.rejected
    for _ in range(500):
        test.observe(challenger=False, event=True, share=0.05)
    assert test.log_e < test.threshold_log_e
    assert test.rejected


def test_quiet_requests_in_bulk_equal_those_one_by_one():
    bulk, single = RelativeRateTest(), RelativeRateTest()
    for quiet, challenger in [(1_500, True), (700, False), (4_900, True), (3, True)]:
        bulk.observe_quiet(quiet)
        for _ in range(quiet):
            single.observe(challenger=False, event=False, share=0.1)
        for test in (bulk, single):
            test.observe(challenger=challenger, event=True, share=0.1)
    assert bulk.save() == single.save()


def test_a_resumed_test_continues_as_if_never_interrupted():
    generator = random.Random(7)
    whole, first, second = RelativeRateTest(), RelativeRateTest(), RelativeRateTest()
    for number in range(3_000):
        if number == 1_234:
            second.resume(first.save())
        one = {"challenger": generator.random() < 0.1, "event": generator.random() < 0.05, "share": 0.1}
        for test in (whole, first if number < 1_234 else second):
            test.observe(**one)
    assert second.log_e == pytest.approx(whole.log_e, abs=1e-9)


@pytest.mark.parametrize(("alpha", "ratio"), [(0, 1), (1, 1), (0.01, 0.5)])
def test_invalid_parameters_are_refused(alpha, ratio):
    with pytest.raises(ValueError, match="found"):
        RelativeRateTest(alpha=alpha, tolerated_ratio=ratio)
