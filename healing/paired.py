"""The check QUALITY: sequential test whether the challenger's loss is higher than the champion's on the same rows.

A block is all rows that were asked within some time. They depend on each other, so a block is one observation: the mean
increase of the loss over its rows. Before any label is known, the two answers bound this increase: where they agree, no
label can distinguish the models. A row without a label counts with the lowest increase that its two answers allow. So
labels that are late, that never come, or that come first for failures, can only reduce the evidence.

With x the mean of a block, l its lower bound and m the tolerated increase, z = (x - l) / (m - l) is never negative and
has mean at most 1 under "no worse than tolerated". A bet of the share f on it multiplies the wealth by 1 - f + fz; the
mean over bets is an e-process (Waudby-Smith & Ramdas, *Estimating means of bounded random variables by betting*, 2023).
It grows with every x, so the evidence with some labels missing is never more than with all of them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from healing.sequential.mean import BoundedMeanTest
from healing.trial_rules import CheckState, TrialCheck
from healing.verdict import Outcome

EVERYTHING = "all rows"
_OVERALL_WEIGHT = 0.5  # of the evidence; the segments share the rest
_BETS = (0.05, 0.2, 0.5, 0.95)  # shares of the wealth; below 1, so that no block can lose all of it
_RESTART_BLOCKS = 48  # so that a long good past does not hide a later change
_RUNS_MAX = 10_000  # none is frozen: a frozen run would not grow with labels that come later


@dataclass(frozen=True, slots=True)
class PairedBlock:
    """Rows of one block that both models answered, `labelled` of them with a label.

    `increase` sums the challenger's loss minus the champion's over all rows, `least` its lower bound by the answers
    alone, both in the unit of the loss. A row without a label counts in both with its lower bound.
    """

    rows: int
    labelled: int
    increase: float
    least: float

    @property
    def mean(self) -> float:
        return self.increase / self.rows


@dataclass(frozen=True, slots=True)
class PairedRule:
    """`alpha` bounds the probability that the check ever fails for a loss that is higher by `tolerated` or less.

    `segments_known` is the largest possible number of segments, fixed before the first label: they share the evidence.
    """

    alpha: float
    tolerated: float
    segments_known: int = 0
    votes: bool = True

    def weight(self, segment: str) -> float:
        """The segment's part of the evidence; all parts add up to at most 1."""
        if self.segments_known == 0:
            return float(segment == EVERYTHING)
        return _OVERALL_WEIGHT if segment == EVERYTHING else (1 - _OVERALL_WEIGHT) / self.segments_known


def judge_pairs(blocks: Mapping[str, Sequence[PairedBlock]], rule: PairedRule) -> tuple[CheckState, ...]:
    """One state for `EVERYTHING` and one per segment, in the order given; blocks are in the order of asking.

    Evidence is averaged over segments by their weights: a segment FAILs when its weighted e-value has reached 1/alpha
    at any of its blocks, which bounds the probability of any FAIL by alpha. `reason` names the segment and its numbers;
    for `EVERYTHING` also the worst segment, as soon as anything fails. There is no PASS, because it is not tested that
    a challenger is no worse.
    """
    if len(blocks) - (EVERYTHING in blocks) > max(rule.segments_known, 0):
        raise ValueError(
            f"expected at most {rule.segments_known} segments, found {len(blocks)}; fix them before the first label"
        )
    states = {segment: _judge(segment, seen, rule) for segment, seen in blocks.items()}
    if EVERYTHING in states and any(state.outcome is Outcome.FAIL for state in states.values()):
        reason = states[EVERYTHING].reason + _worst_segment(blocks, states)
        states[EVERYTHING] = replace(states[EVERYTHING], reason=reason)
    return tuple(states.values())


def _worst_segment(blocks: Mapping[str, Sequence[PairedBlock]], states: Mapping[str, CheckState]) -> str:
    """The segment with the largest increase, as the end of a reason: of those that failed, else of all with labels.

    A segment has fewer rows and a smaller part of the evidence, so all rows can fail before the segment that causes it.
    """
    segments = {name: _up_to_last_label(seen) for name, seen in blocks.items() if name != EVERYTHING}
    labelled = {name: _increase(seen) for name, seen in segments.items() if seen}
    failed = {name: increase for name, increase in labelled.items() if states[name].outcome is Outcome.FAIL}
    if not labelled:
        return ""
    named = failed or labelled
    worst = max(named, key=lambda name: (named[name], name))
    return f"; worst in {worst}, {named[worst]:+.4f}" + ("" if failed else ", which alone has not failed yet")


def _judge(segment: str, blocks: Sequence[PairedBlock], rule: PairedRule) -> CheckState:
    counted = _up_to_last_label(blocks)
    test = BoundedMeanTest(
        alpha=rule.alpha * rule.weight(segment),
        low=0.0,
        high=math.inf,
        tolerated=1.0,
        restart_observations=_RESTART_BLOCKS,
        fractions=_BETS,
        live_max=_RUNS_MAX,
    )
    for block in counted:
        test.observe(_as_bet(block, rule.tolerated))
    return CheckState(
        check=TrialCheck.QUALITY,
        outcome=Outcome.FAIL if test.rejected else Outcome.INCONCLUSIVE,
        log_e=test.log_e,
        threshold_log_e=test.threshold_log_e,
        observations=sum(block.labelled for block in blocks),
        votes=rule.votes,
        reason=_reason(segment, blocks, counted, rule),
    )


def _reason(segment: str, blocks: Sequence[PairedBlock], counted: Sequence[PairedBlock], rule: PairedRule) -> str:
    rows, labelled = sum(block.rows for block in blocks), sum(block.labelled for block in blocks)
    labels = f"{segment}: {labelled} of {rows} labelled"
    if not labelled:
        return labels
    return (
        f"{labels}; its loss per row is {_increase(counted):+.4f} above the champion's in {len(counted)} blocks, rows "
        f"without a label counted at their lower bound; {rule.tolerated:+.4f} is tolerated"
    )


def _increase(blocks: Sequence[PairedBlock]) -> float:
    return sum(block.increase for block in blocks) / sum(block.rows for block in blocks)


def _up_to_last_label(blocks: Sequence[PairedBlock]) -> Sequence[PairedBlock]:
    """The blocks up to the last one with a label. The test is valid for any choice of blocks without their labels."""
    last = max((place for place, block in enumerate(blocks) if block.labelled), default=-1)
    return blocks[: last + 1]


def _as_bet(block: PairedBlock, tolerated: float) -> float:
    """z of the block; 1, which changes no wealth, where the models give the same answers and nothing is tolerated."""
    least = block.least / block.rows
    room = tolerated - least
    return 1.0 if room <= 0 else max(0.0, (block.mean - least) / room)
