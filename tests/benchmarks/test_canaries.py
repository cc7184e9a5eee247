"""The benchmark's shortcut, its simulated streams, its other methods and its figures."""

import numpy as np
import pytest
from scipy.stats import beta

from benchmarks.canaries.ours import aborted_at
from benchmarks.canaries.peers import MINUTE_REQUESTS, fixed_threshold, mann_whitney, z_test
from benchmarks.canaries.stream import Stage, Stream, outage, steady, sticky, turning
from benchmarks.canary import EVERY_ERROR, OURS, Seen, delay_figures, run_methods, sticky_run, upper_95
from healing.release import Mode
from healing.trial_evidence import Expected
from healing.trial_guard import TrialGuard
from healing.trial_rules import TrialRules

STAGES = (Stage(0.05, 5_000), Stage(0.5, 3_000), Stage(1.0, 1_000))


def aborted_at_request_by_request(stream: Stream, rules: TrialRules) -> int | None:
    """The result of `aborted_at` when every request is passed one by one."""
    guard = TrialGuard(rules, Mode.SHADOW, 1.0, Expected())
    for failed in stream.copies_failed:
        guard.observe_pair(bool(failed), False, None, 0.0)
    at = 0
    for stage in stream.stages:
        guard.next_stage(Mode.CANARY, stage.share)
        for _ in range(stage.requests):
            if guard.aborted_by is not None:
                return at
            arm, failed, first = (bool(flags[at]) for flags in (stream.challenger, stream.failed, stream.first))
            guard.observe(arm, failed, slow=False, answer=None, route_key_is_new=first)
            at += 1
    return at if guard.aborted_by is not None else None


@pytest.mark.parametrize("rate", [0.003, 0.01, 0.03, 0.3])
def test_passing_only_failures_one_by_one_gives_the_same_result(rate):
    rules = TrialRules(alpha=0.05)  # so that some runs abort and some do not
    ends = [
        (aborted_at(stream, rules), aborted_at_request_by_request(stream, rules))
        for stream in (steady((seed,), STAGES, rate, copies=50) for seed in range(6))
    ]
    assert all(short == long for short, long in ends), ends


def test_the_same_seed_gives_the_same_requests():
    for make in (lambda: steady((3,), STAGES, 0.1), lambda: sticky((3,), STAGES), lambda: outage((3,), 0.5, 900)):
        one, other = make(), make()
        assert np.array_equal(one.failed, other.failed)
        assert np.array_equal(one.challenger, other.challenger)


def test_a_turning_challenger_is_good_before_and_bad_after():
    stream = turning((1,), share=0.5, clean=20_000, bad=20_000, rate=0.2)
    failed = stream.failed & stream.challenger
    assert failed[:20_000].sum() < 60
    assert failed[20_000:].sum() > 1_500
    assert (stream.failed & ~stream.challenger).sum() < 120


def test_sticky_users_keep_their_model_and_only_their_first_failure_is_first():
    stream = sticky((2,), (Stage(0.3, 20_000),))
    assert stream.challenger.mean() == pytest.approx(0.3, abs=0.1)  # users, not requests, are drawn
    repeated = stream.failed & ~stream.first
    assert repeated.sum() > 3 * (stream.failed & stream.first).sum() / 10
    assert not (~stream.first & ~stream.failed).any()


def minutes(*failures: tuple[int, int], share: float = 0.5) -> Stream:
    """One minute per pair: failures of the challenger, and of the champion."""
    challenger = np.tile(np.arange(MINUTE_REQUESTS) < share * MINUTE_REQUESTS, len(failures))
    failed = np.zeros(challenger.size, dtype=np.bool_)
    for number, (ours, theirs) in enumerate(failures):
        begin = number * MINUTE_REQUESTS
        failed[begin : begin + ours] = True
        failed[begin + MINUTE_REQUESTS - theirs : begin + MINUTE_REQUESTS] = True
    return Stream((Stage(share, challenger.size),), challenger, failed, np.ones_like(failed))


def test_the_fixed_threshold_counts_minutes_below_99_percent():
    stream = minutes((10, 0), (11, 0), (0, 500), (11, 0), (12, 0))  # of 1,000 per minute; ten failures are 99 %
    assert fixed_threshold(1)(stream) == 2 * MINUTE_REQUESTS
    assert fixed_threshold(3)(stream) == 5 * MINUTE_REQUESTS
    assert fixed_threshold(5)(stream) is None


def test_mann_whitney_decides_every_ten_minutes_and_needs_a_shift():
    generator = np.random.default_rng(1)
    alike = [(int(ours), int(theirs)) for ours, theirs in generator.poisson(8, (20, 2))]
    worse = [(ours + 12, theirs) for ours, theirs in alike]
    assert mann_whitney(minutes(*alike)) is None
    assert mann_whitney(minutes(*worse)) == 10 * MINUTE_REQUESTS
    assert mann_whitney(minutes(*worse[:9])) is None


def test_the_z_test_decides_every_minute_on_all_requests_so_far():
    assert z_test(minutes((5, 5), (30, 5), (5, 5))) == 2 * MINUTE_REQUESTS
    assert z_test(minutes((0, 0), (5, 4))) is None


def test_other_methods_do_not_decide_while_the_challenger_has_all_traffic():
    alone = steady((1,), (Stage(1.0, 4_000),), rate=0.5)
    assert [method(alone) for method in (fixed_threshold(1), mann_whitney, z_test)] == [None] * 3


@pytest.mark.parametrize(("found", "runs"), [(0, 3_200), (7, 1_000), (40, 40), (3, 100_000)])
def test_the_upper_bound_is_clopper_and_pearsons(found, runs):
    expected = 1.0 if found == runs else beta.ppf(0.95, found + 1, runs - found)
    assert upper_95(found, runs) == pytest.approx(expected, abs=1e-7)


def test_the_delay_of_runs_without_an_abort_is_none():
    figures = delay_figures("x", [5, None, 7, None, None])
    assert figures == {"x_p50_requests": None, "x_p90_requests": None, "x_found_share": 0.4}
    assert delay_figures("x", [1, 2, 3])["x_p50_requests"] == 2


def test_an_abort_before_the_challenger_turned_bad_has_no_delay():
    run = run_methods(
        turning((5,), 0.05, 20_000, 60_000, 1.0), {OURS: aborted_at, "soon": lambda _: 15_000}, clean=20_000
    )
    assert 0 < run[OURS].challenger <= 20
    assert run["soon"] == Seen(requests=15_000, challenger=None)


def test_counting_every_failure_of_a_client_would_abort_sound_canaries():
    runs = [sticky_run(seed) for seed in range(12)]
    assert not any(run[OURS].requests for run in runs)
    assert any(run[EVERY_ERROR].requests for run in runs)
