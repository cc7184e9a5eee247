"""Rules of a challenger's trial. The release log holds them, so that every program judges it by the same rules."""

from dataclasses import dataclass
from enum import StrEnum

from healing.verdict import Outcome


class TrialCheck(StrEnum):
    """The checks of a trial; the name of the failed check is the reason of an abort."""

    ERRORS = "errors"
    LATENCY = "latency"
    PREDICTIONS = "predictions"  # its live answers differ from its answers to held-out rows
    DISAGREEMENT = "disagreement"  # in shadow: its answers are too far from those that clients got
    QUALITY = "quality"  # on labels: its loss is higher than the champion's on the same rows


VOTING = frozenset({TrialCheck.ERRORS, TrialCheck.LATENCY, TrialCheck.PREDICTIONS, TrialCheck.QUALITY})


@dataclass(frozen=True, slots=True)
class TrialRules:
    """Tolerances, and the checks that vote. A check without a vote is computed and shown, but aborts nothing.

    `alpha` bounds the probability that the whole trial of a challenger within all tolerances is aborted. A ratio is the
    challenger's rate over the champion's, a rate a share of the challenger's own requests.
    """

    alpha: float = 0.001
    error_ratio_tolerated: float = 1.0
    error_rate_tolerated: float = 0.02
    slow_factor: float = 2.0  # slower than this multiple of the champion's p99 is slow
    slow_ratio_tolerated: float = 3.0
    slow_rate_tolerated: float = 0.2
    outside_rate_tolerated: float = 0.4
    disagreement_rate_tolerated: float = 0.5
    quality_increase_tolerated: float = 0.01  # of the squared error (Brier score), in variances of the label
    quality_block_seconds: float = 600.0  # rows asked within one block depend on each other and are one observation
    votes: frozenset[TrialCheck] = VOTING


DEFAULT_RULES = TrialRules()

# How alpha is divided. Errors get most of it, because they show first and cost users most.
_PARTS = {
    TrialCheck.ERRORS: 16,
    TrialCheck.LATENCY: 1,
    TrialCheck.PREDICTIONS: 1,
    TrialCheck.QUALITY: 1,
    TrialCheck.DISAGREEMENT: 1,
}
_PART_CONTROLLER = 1  # the controller's own test of the error rate, over all stages (healing.promotion)


def share_of_alpha(check: TrialCheck, rules: TrialRules) -> float:
    """The part of `rules.alpha` that a check may spend; the voting checks and the controller together spend all of it.

    A check without a vote gets the part that it would have with one, to be shown.
    """
    return _PARTS[check] / _all_parts(rules.votes | {check})


def controllers_share_of_alpha(rules: TrialRules) -> float:
    """The part of `rules.alpha` left for the controller's own test, for all stages together."""
    return _PART_CONTROLLER / _all_parts(rules.votes)


def _all_parts(votes: frozenset[TrialCheck]) -> int:
    return sum(_PARTS[check] for check in votes) + _PART_CONTROLLER


@dataclass(frozen=True, slots=True)
class CheckState:
    """The state of one check. FAIL once its evidence has reached the threshold, else INCONCLUSIVE, never PASS.

    `observations` counts what the check has observed; `reason` has its numbers in words.
    """

    check: TrialCheck
    outcome: Outcome
    log_e: float
    threshold_log_e: float
    observations: int
    votes: bool
    reason: str
