"""Score of a diagnosis: 0 if the true cause was missed, else the precision of the causes that were reported.

This is the rule of ITBench-AA. A drill lists alternatives for its true cause, such as a corrupt model that shows as a
failing one, and causes that are true as well.
"""

from collections.abc import Collection, Sequence
from statistics import mean

from chaos.outcome import DrillOutcome

__all__ = ["diagnosis_score", "mean_score"]


def diagnosis_score(found: Collection[str], expected: Collection[str], further: Collection[str] = ()) -> float:
    """Between 0 and 1. `expected` are alternatives of which one must be among `found`.

    >>> diagnosis_score(["model_corrupt", "data_drift"], ["model_corrupt"])
    0.5
    """
    reported = set(found)
    if not reported & set(expected):
        return 0.0
    return len(reported & {*expected, *further}) / len(reported)


def mean_score(outcomes: Sequence[DrillOutcome]) -> float | None:
    """Mean score over the trials with a fault that have an expected cause; None without any."""
    scores = [
        diagnosis_score(each.causes, each.expected_causes, each.further_causes)
        for each in outcomes
        if each.fault and each.expected_causes and each.ablated is None
    ]
    return mean(scores) if scores else None
