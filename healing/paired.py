"""Does the challenger lose more than the champion on the very same rows? An answer from labels, valid at every look.

A block is all rows that were asked within some time: they share their weather, so that a block is one observation, the
mean increase of the loss over its rows. Before any label is known, the two answers bound what it can be: where they
agree, no label can tell the models apart. A row without a label stands with the least increase that its two answers
allow. So labels that are late, that never come, or that come for failures first, can only take evidence away.

With x the mean of a block, l the least that it can be and m the increase tolerated, z = (x - l) / (m - l) is never
negative and has mean at most 1 under "no worse than tolerated". A bet of the share f on it multiplies the wealth by
1 - f + fz; the mean over bets is an e-process (Waudby-Smith & Ramdas, *Estimating means of bounded random variables by
betting*, 2023). It grows with every x, so what it says with some labels missing is never more than with all of them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from healing.sequential.mean import BoundedMeanTest
from healing.trial_rules import Check, CheckState
from healing.verdict import Outcome

EVERYTHING = "all rows"
_OVERALL_WEIGHT = 0.5  # of the evidence; the segments share what is left
_BETS = (0.05, 0.2, 0.5, 0.95)  # shares of the wealth; less than all, so that no block ends a bet
_RESTART_BLOCKS = 48  # so that a challenger that turns bad late is not protected by its good past
_RUNS_MAX = 10_000  # all go on: a frozen one would not grow with the labels that are still to come


@dataclass(frozen=True, slots=True)
class PairedBlock:
    """Rows of one block that both models answered, `labelled` of them with a label.

    `increase` sums the challenger's loss less the champion's over all of them, `least` what that could come to at the
    least by the answers alone, both in the unit of the loss. A row without a label is in both with its least.
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
    """`alpha` bounds the chance that a challenger is ever condemned whose loss is higher by `tolerated` or less.

    `segments_known` is how many segments there may be, fixed before the first label: they share the evidence.
    """

    alpha: float
    tolerated: float
    segments_known: int = 0
    votes: bool = True

    def weight(self, segment: str) -> float:
        """The part of the evidence that a segment has; the weights of all add up to 1 at most."""
        if self.segments_known == 0:
            return float(segment == EVERYTHING)
        return _OVERALL_WEIGHT if segment == EVERYTHING else (1 - _OVERALL_WEIGHT) / self.segments_known


def judge_pairs(blocks: Mapping[str, Sequence[PairedBlock]], rule: PairedRule) -> tuple[CheckState, ...]:
    """One state for `EVERYTHING` and one for each segment, in the order given; blocks in the order of asking.

    Evidence is averaged over segments by their weights: one FAILs when its weighted e-value reached 1/alpha at any of
    its blocks, which bounds the chance of any FAIL at all by alpha. `reason` names the segment and its numbers; that of
    `EVERYTHING` also the worst of the segments that FAIL. There is no PASS: that a challenger is no worse is not
    tested.
    """
    if len(blocks) - (EVERYTHING in blocks) > max(rule.segments_known, 0):
        raise ValueError(f"expected at most {rule.segments_known} segments, found {len(blocks)}; say so beforehand")
    states = {segment: _judge(segment, seen, rule) for segment, seen in blocks.items()}
    failing = [name for name, state in states.items() if name != EVERYTHING and state.outcome is Outcome.FAIL]
    if EVERYTHING in states and failing:
        increase, worst = max((_increase(_up_to_last_label(blocks[name])), name) for name in failing)
        told = f"{states[EVERYTHING].reason}; worst in {worst}, {increase:+.4f}"
        states[EVERYTHING] = replace(states[EVERYTHING], reason=told)
    return tuple(states.values())


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
        check=Check.QUALITY,
        outcome=Outcome.FAIL if test.alarmed else Outcome.INCONCLUSIVE,
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
        f"{labels}; its loss is {_increase(counted):+.4f} a row beside the champion's in {len(counted)} blocks, rows "
        f"without a label counted at their best; {rule.tolerated:+.4f} is tolerated"
    )


def _increase(blocks: Sequence[PairedBlock]) -> float:
    return sum(block.increase for block in blocks) / sum(block.rows for block in blocks)


def _up_to_last_label(blocks: Sequence[PairedBlock]) -> Sequence[PairedBlock]:
    """What nothing is known of yet is left for a later look; which blocks are looked at is free at every look."""
    last = max((place for place, block in enumerate(blocks) if block.labelled), default=-1)
    return blocks[: last + 1]


def _as_bet(block: PairedBlock, tolerated: float) -> float:
    """z of the block; 1, which neither wins nor loses, where the models answer alike and nothing is tolerated."""
    least = block.least / block.rows
    room = tolerated - least
    return 1.0 if room <= 0 else max(0.0, (block.mean - least) / room)
