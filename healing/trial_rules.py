"""By what a challenger's trial is judged: written into the release log with the trial, so that all judge alike."""

from dataclasses import dataclass
from enum import StrEnum

from healing.verdict import Outcome


class Check(StrEnum):
    """What may condemn a challenger; the name is the reason that its abort gives."""

    ERRORS = "errors"
    LATENCY = "latency"
    PREDICTIONS = "predictions"  # its live answers are not those it was trained to give
    DISAGREEMENT = "disagreement"  # in shadow: its answers are too far from those that were given
    QUALITY = "quality"  # on labels: it loses more than the champion on the same rows


VOTING = frozenset({Check.ERRORS, Check.LATENCY, Check.PREDICTIONS, Check.QUALITY})


@dataclass(frozen=True, slots=True)
class TrialRules:
    """What is tolerated, and which checks have a vote; the others are computed and shown.

    `alpha` bounds the chance that a whole trial of a challenger within all tolerances is aborted. A ratio is the
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
    quality_block_seconds: float = 600.0  # rows asked within it share their weather and count as one observation
    votes: frozenset[Check] = VOTING


DEFAULT_RULES = TrialRules()

# How alpha is shared out. Errors get most of it, for they come first and cost users most.
_PARTS = {Check.ERRORS: 16, Check.LATENCY: 1, Check.PREDICTIONS: 1, Check.QUALITY: 1, Check.DISAGREEMENT: 1}
_PART_CONTROLLER = 1  # the controller's own judgement of harm, over all stages (healing.promotion)


def share_of_alpha(check: Check, rules: TrialRules) -> float:
    """The part of `rules.alpha` that a check may spend; the voting checks and the controller together spend all of it.

    A check without a vote gets what it would have with one, for show.
    """
    return _PARTS[check] / _all_parts(rules.votes | {check})


def controllers_share_of_alpha(rules: TrialRules) -> float:
    """The part of `rules.alpha` left for the controller's own judgement, for all stages together."""
    return _PART_CONTROLLER / _all_parts(rules.votes)


def _all_parts(votes: frozenset[Check]) -> int:
    return sum(_PARTS[check] for check in votes) + _PART_CONTROLLER


@dataclass(frozen=True, slots=True)
class CheckState:
    """How far one check has come. FAIL once the evidence of harm reached its threshold, else INCONCLUSIVE: the absence
    of evidence is no PASS. `observations` counts what the check looked at; `reason` has its numbers in words.
    """

    check: Check
    outcome: Outcome
    log_e: float
    threshold_log_e: float
    observations: int
    votes: bool
    reason: str
