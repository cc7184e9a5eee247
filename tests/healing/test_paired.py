"""Check QUALITY: false failures, power, and the effect of late and missing labels."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from healing.paired import EVERYTHING, PairedBlock, PairedRule, judge_pairs
from healing.verdict import Outcome

SEEDS = 300
ALPHA = 0.05
BLOCKS, ROWS = 60, 25
TOLERATED = 0.01


def world(seed, *, off=0.0, swing=0.0):
    """Answers and labels, shape (blocks, rows); the challenger's probabilities are `off` from a calibrated champion's.

    Its loss is then higher by off² on average. A hidden condition moves the truth of all rows of a block up or down by
    `swing`; neither model sees it.
    """
    generator = np.random.default_rng(seed)
    champion = generator.uniform(0.3, 0.7, (BLOCKS, ROWS))
    truth = champion + swing * generator.choice([-1, 1], (BLOCKS, 1))
    labels = (generator.random((BLOCKS, ROWS)) < truth).astype(float)
    return champion + off, champion, labels


def blocks(challenger, champion, labels, known=None):
    """The world's blocks, with labels only where `known`."""
    increase = (challenger - labels) ** 2 - (champion - labels) ** 2
    least = np.minimum(challenger**2 - champion**2, (1 - challenger) ** 2 - (1 - champion) ** 2)
    known = np.ones(labels.shape, bool) if known is None else known
    counted = np.where(known, increase, least)
    return [
        PairedBlock(counted.shape[1], int(k.sum()), float(c.sum()), float(lowest.sum()))
        for c, lowest, k in zip(counted, least, known, strict=True)
    ]


def fails(seen, alpha=ALPHA, tolerated=TOLERATED):
    [state] = judge_pairs({EVERYTHING: seen}, PairedRule(alpha, tolerated))
    return state.outcome is Outcome.FAIL


def share_failed(seen_of, seeds=SEEDS):
    return sum(fails(seen_of(seed)) for seed in range(seeds)) / seeds


def test_a_challenger_at_the_tolerance_fails_in_at_most_alpha_of_runs_also_with_dependent_rows():
    for swing in (0.0, 0.25):
        assert share_failed(lambda seed, s=swing: blocks(*world(seed, off=math.sqrt(TOLERATED), swing=s))) <= ALPHA


def test_dependent_rows_would_fail_it_too_often_if_each_row_were_an_observation():
    """The simulated world above can refute a test that assumes independent rows."""

    def each_row(seed):
        return blocks(*(part[:16].reshape(-1, 1) for part in world(seed, off=math.sqrt(TOLERATED), swing=0.25)))

    assert share_failed(each_row, 60) > 2 * ALPHA


def test_a_much_higher_loss_always_fails():
    assert share_failed(lambda seed: blocks(*world(seed, off=0.28, swing=0.1))) == 1


def test_an_equal_or_better_challenger_never_fails():
    assert share_failed(lambda seed: blocks(*world(seed, swing=0.25))) == 0
    assert share_failed(lambda seed: _exchanged(blocks, *world(seed, off=0.28))) == 0


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8, 1.0])
def test_labels_that_come_for_failures_first_fail_at_most_alpha_of_equal_challengers(share):
    def failures_first(seed):
        challenger, champion, labels = world(seed, off=-0.05)
        return challenger, champion, labels, _first(share, -labels)

    assert share_failed(lambda seed: blocks(*failures_first(seed))) <= ALPHA


def test_the_same_labels_would_fail_it_too_often_if_only_labelled_rows_counted():
    def only_labelled(seed):
        challenger, champion, labels = world(seed, off=-0.05)
        first = [np.flatnonzero(known) for known in _first(0.3, -labels)]
        chosen = [np.take_along_axis(part, np.array(first), axis=1) for part in (challenger, champion, labels)]
        return blocks(*chosen)

    assert share_failed(only_labelled, 100) > 2 * ALPHA


def test_late_labels_decide_once_they_have_come():
    challenger, champion, labels = world(0, off=0.28)
    hours = np.arange(BLOCKS)[:, None] + np.zeros((1, ROWS))
    assert not fails(blocks(challenger, champion, labels, hours < 5))
    assert fails(blocks(challenger, champion, labels))


def test_without_labels_there_is_no_evidence_and_the_reason_says_so():
    challenger, champion, labels = world(0, off=0.28)
    seen = blocks(challenger, champion, labels, np.zeros(labels.shape, bool))
    [state] = judge_pairs({EVERYTHING: seen}, PairedRule(ALPHA, TOLERATED))
    assert (state.outcome, state.log_e, state.observations) == (Outcome.INCONCLUSIVE, 0.0, 0)
    assert state.reason == f"all rows: 0 of {BLOCKS * ROWS} labelled"


@given(st.integers(0, 10_000), st.integers(1, BLOCKS))
def test_more_labels_never_reduce_the_evidence(seed, until):
    """So the evidence with some labels missing is never more than with all of them."""
    generator = np.random.default_rng(seed)
    challenger, champion, labels = (part[:until] for part in world(seed, off=generator.uniform(-0.3, 0.3)))
    known = generator.random(labels.shape) < generator.random()
    known[-1] = True  # the same blocks count
    rule = PairedRule(ALPHA, TOLERATED)
    [some] = judge_pairs({EVERYTHING: blocks(challenger, champion, labels, known)}, rule)
    [every] = judge_pairs({EVERYTHING: blocks(challenger, champion, labels)}, rule)
    assert some.log_e <= every.log_e + 1e-9


@given(st.lists(st.floats(-0.9, 0.9), max_size=60), st.floats(-1, -0.01), st.floats(0.02, 1))
def test_no_block_raises_the_expected_e_value_under_the_null(before, least, most):
    """The exact expectation of the e-value after one more block, in any state: a supermartingale."""
    seen = [PairedBlock(1, 1, value, min(value, -0.1)) for value in before]
    chance = (TOLERATED - least) / (most - least)  # the block is `most` or `least`, and m on average
    [now] = judge_pairs({EVERYTHING: seen}, PairedRule(ALPHA, TOLERATED))
    either = [
        judge_pairs({EVERYTHING: [*seen, PairedBlock(1, 1, value, least)]}, PairedRule(ALPHA, TOLERATED))[0].log_e
        for value in (most, least)
    ]
    expected = chance * math.exp(either[0]) + (1 - chance) * math.exp(either[1])
    assert expected == pytest.approx(math.exp(now.log_e), rel=1e-6)


def test_a_failed_segment_is_named():
    good, bad = blocks(*world(1)), blocks(*world(2, off=0.3))
    states = judge_pairs({EVERYTHING: good, "kind=a": good, "kind=b": bad}, PairedRule(ALPHA, TOLERATED, 2))
    assert [state.outcome for state in states] == [Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE, Outcome.FAIL]
    assert states[2].reason.startswith("kind=b: ")
    everywhere = judge_pairs({EVERYTHING: bad, "kind=a": good, "kind=b": bad}, PairedRule(ALPHA, TOLERATED, 2))
    assert everywhere[0].reason.endswith(
        "blocks, rows without a label counted at their lower bound; +0.0100 is tolerated"
        f"; worst in kind=b, {sum(b.increase for b in bad) / sum(b.rows for b in bad):+.4f}"
    )


def test_the_worst_segment_is_named_also_where_only_all_rows_have_failed():
    """A segment has a smaller part of the evidence, so fewer blocks are enough for all rows than for the segment."""
    good, bad = blocks(*world(1))[:30], blocks(*world(2, off=0.3))[:30]
    states = judge_pairs({EVERYTHING: bad, "kind=a": good, "kind=b": bad}, PairedRule(ALPHA, TOLERATED, 400))
    assert [state.outcome for state in states] == [Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE]
    assert re.search(r"; worst in kind=b, \+0\.\d{4}, which alone has not failed yet$", states[0].reason)
    unlabelled = judge_pairs({EVERYTHING: bad}, PairedRule(ALPHA, TOLERATED, 400))
    assert "worst in" not in unlabelled[0].reason


def test_many_segments_together_fail_a_challenger_at_the_tolerance_in_at_most_alpha_of_runs():
    rule = PairedRule(ALPHA, TOLERATED, segments_known=6)

    def any_failed(seed):
        parts = [blocks(*world(10 * seed + k, off=math.sqrt(TOLERATED))) for k in range(6)]
        states = judge_pairs({f"kind={k}": part for k, part in enumerate(parts)}, rule)
        return any(state.outcome is Outcome.FAIL for state in states)

    assert sum(any_failed(seed) for seed in range(200)) / 200 <= ALPHA


def test_more_segments_than_known_are_refused():
    seen = blocks(*world(0))
    with pytest.raises(ValueError, match="at most 1 segments"):
        judge_pairs({EVERYTHING: seen, "kind=a": seen, "kind=b": seen}, PairedRule(ALPHA, TOLERATED, 1))


def test_labels_of_rows_with_equal_answers_are_no_evidence():
    answers = np.full((BLOCKS, ROWS), 0.5)
    [state] = judge_pairs({EVERYTHING: blocks(answers, answers, np.ones((BLOCKS, ROWS)))}, PairedRule(ALPHA, 0.0))
    assert state.log_e == pytest.approx(0.0)


def _exchanged(judged, challenger, champion, labels):
    return judged(champion, challenger, labels)


def _first(share, order):
    """Mask of the labelled rows per block when `share` of them is labelled, in the given order."""
    place = np.argsort(np.argsort(order, axis=1, kind="stable"), axis=1, kind="stable")
    return place < share * order.shape[1]


@pytest.mark.parametrize("better", [True, False])
def test_on_a_rare_class_a_sign_test_fails_the_better_model_and_losses_do_not(better):
    """5 % positives; one model gives the true probabilities, the other three tenths of them (docs/decisions/0020)."""
    signs, losses = 0, 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        truth = generator.beta(0.5, 9.5, (100, 30))
        labels = (generator.random(truth.shape) < truth).astype(float)
        challenger, champion = (truth, 0.3 * truth) if better else (0.3 * truth, truth)
        seen = blocks(challenger, champion, labels)
        variance = 0.05 * 0.95
        losses += fails(seen, alpha=0.001, tolerated=TOLERATED * variance)
        signs += _sign_test_fails((challenger - labels) ** 2 > (champion - labels) ** 2, alpha=0.001)
    if better:
        assert (signs, losses) == (200, 0)
    else:
        assert (signs, losses) == (0, 64)


def _sign_test_fails(lost_more, alpha):
    """A mixture of likelihood ratios of rates above one half, on how often the challenger loses more; row by row."""
    rates = np.array([0.55, 0.65, 0.8, 0.95])[:, None]
    won = np.where(lost_more.ravel(), np.log(2 * rates), np.log(2 * (1 - rates))).cumsum(axis=1)
    return bool((np.logaddexp.reduce(won, axis=0) - np.log(len(rates)) >= -math.log(alpha)).any())
