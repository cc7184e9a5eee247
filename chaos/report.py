"""Summary of the stored trials of each drill. Trials that did not recover count as longest in every quantile."""

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from statistics import mean

from pydantic import BaseModel, ConfigDict

from chaos.runner import OUTCOME_FILE, DrillOutcome
from chaos.verdict import Exit

__all__ = ["DrillSummary", "Spread", "read_outcomes", "recovery_bound", "summarise"]

CONFIDENCE = 0.95
COUNTED = frozenset({Exit.RECOVERED, Exit.NOT_RECOVERED})  # the other exits are failures of the harness


class Spread(BaseModel):
    """Quantiles of a duration in seconds over all counted trials; None for "not within the trial"."""

    model_config = ConfigDict(frozen=True)

    p50: float | None
    p90: float | None
    max: float | None


class DrillSummary(BaseModel):
    """All trials of one drill, with or without an ablation.

    `recovered_share_min` is the one-sided 95 % Clopper-Pearson bound on the chance to recover. `mean_recover_seconds`
    is the MTTR, over recovered trials only: read it beside `recovered` and `trials`.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    ablated: str | None
    trials: int
    recovered: int
    recovered_share_min: float
    not_counted: int
    detect: Spread
    mitigate: Spread
    recover: Spread
    mean_recover_seconds: float | None


def read_outcomes(home: Path) -> list[DrillOutcome]:
    """Every stored outcome below `home`, the oldest first."""
    files = (home / "drills").glob(f"*/*/{OUTCOME_FILE}")
    outcomes = [DrillOutcome.model_validate_json(path.read_bytes()) for path in files]
    return sorted(outcomes, key=lambda outcome: outcome.started_at)


def summarise(outcomes: Iterable[DrillOutcome]) -> list[DrillSummary]:
    """One summary per drill and ablation, by name."""

    def kind(outcome: DrillOutcome) -> tuple[str, str]:
        return outcome.name, outcome.ablated or ""

    ordered = sorted(outcomes, key=kind)
    return [_summarise(list(trials)) for _, trials in groupby(ordered, key=kind)]


def recovery_bound(recovered: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """The smallest chance to recover that `recovered` of `trials` does not reject (Clopper & Pearson 1934).

    >>> round(recovery_bound(20, 20), 3)
    0.861
    """
    if recovered == 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(60):  # halves the interval to below 1e-18
        middle = (low + high) / 2
        if _at_least(recovered, trials, middle) < 1 - confidence:
            low = middle
        else:
            high = middle
    return low


def _summarise(outcomes: Sequence[DrillOutcome]) -> DrillSummary:
    counted = [outcome for outcome in outcomes if outcome.exit in COUNTED]
    recovered = [outcome for outcome in counted if outcome.exit is Exit.RECOVERED]
    times = [outcome.durations.recover[1] for outcome in recovered if outcome.durations.recover]
    return DrillSummary(
        name=outcomes[0].name,
        ablated=outcomes[0].ablated,
        trials=len(counted),
        recovered=len(recovered),
        recovered_share_min=recovery_bound(len(recovered), len(counted)),
        not_counted=len(outcomes) - len(counted),
        detect=_spread([outcome.durations.detect for outcome in counted]),
        mitigate=_spread([outcome.durations.mitigate for outcome in counted]),
        recover=_spread([outcome.durations.recover if outcome.exit is Exit.RECOVERED else None for outcome in counted]),
        mean_recover_seconds=mean(times) if times else None,
    )


def _spread(durations: Sequence[tuple[float, float] | None]) -> Spread:
    """Nearest-rank quantiles of the upper ends; what never happened counts as longest."""
    seconds = sorted(math.inf if each is None else each[1] for each in durations)

    def at(share: float) -> float | None:
        if not seconds:
            return None
        found = seconds[math.ceil(share * len(seconds)) - 1]
        return None if math.isinf(found) else found

    return Spread(p50=at(0.5), p90=at(0.9), max=at(1.0))


def _at_least(successes: int, trials: int, chance: float) -> float:
    """Probability of at least `successes` in `trials`."""
    return sum(math.comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(successes, trials + 1))
