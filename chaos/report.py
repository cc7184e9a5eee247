"""Summary of the stored trials of each drill. Trials that did not recover count as longest in every quantile."""

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from statistics import mean

from pydantic import BaseModel, ConfigDict

from chaos.diagnosis import mean_score
from chaos.outcome import DrillOutcome
from chaos.resampling import median_interval, nearest_rank, share_bound, share_interval
from chaos.verdict import Exit

__all__ = ["DrillSummary", "Spread", "Totals", "recovery_seconds", "summarise", "totals"]

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

    `recovered_share_min` is the one-sided 95 % Clopper-Pearson bound on the chance to recover, `recovered_share` the
    two-sided interval. `mean_recover_seconds` is the MTTR, over recovered trials only: read it beside `recovered` and
    `trials`. `machines`, `revisions`, `pipelines` and `targets` say what was pooled. `diagnosis` is the mean score of
    `chaos/diagnosis.py`.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    ablated: str | None
    trials: int
    recovered: int
    recovered_share_min: float
    recovered_share: tuple[float, float]
    not_counted: int
    detect: Spread
    mitigate: Spread
    recover: Spread
    recover_p50_interval: tuple[float | None, float | None] | None
    mean_recover_seconds: float | None
    diagnosis: float | None
    false_incidents: int
    failed: int
    wrong: int
    machines: tuple[str, ...]
    revisions: tuple[str, ...]
    pipelines: tuple[str, ...]
    targets: tuple[str, ...]

    @property
    def pooled(self) -> str:
        """What differs between the trials that are summarised together; empty when nothing does."""
        several = (
            ("machines", self.machines),
            ("revisions", self.revisions),
            ("pipelines", self.pipelines),
            ("stacks", tuple(target or "this one" for target in self.targets)),
        )
        return "; ".join(f"{len(names)} {what} ({', '.join(names)})" for what, names in several if len(names) > 1)


class Totals(BaseModel):
    """All drills together, without ablations. `controls` are trials in which nothing harmful was done."""

    model_config = ConfigDict(frozen=True)

    trials: int
    recovered: int
    recovered_share: tuple[float, float]
    diagnosis: float | None
    controls: int
    false_incidents: int
    failed: int
    wrong: int


def summarise(outcomes: Iterable[DrillOutcome]) -> list[DrillSummary]:
    """One summary per drill and ablation, by name."""

    def kind(outcome: DrillOutcome) -> tuple[str, str]:
        return outcome.name, outcome.ablated or ""

    ordered = sorted(outcomes, key=kind)
    return [_summarise(list(trials)) for _, trials in groupby(ordered, key=kind)]


def totals(outcomes: Iterable[DrillOutcome]) -> Totals:
    """Pooled counts over every counted trial without an ablation."""
    counted = [each for each in outcomes if each.exit in COUNTED and each.ablated is None]
    recovered = sum(each.exit is Exit.RECOVERED for each in counted)
    return Totals(
        trials=len(counted),
        recovered=recovered,
        recovered_share=share_interval(recovered, len(counted)),
        diagnosis=mean_score(counted),
        controls=sum(not each.fault for each in counted),
        false_incidents=_false_incidents(counted),
        failed=sum(each.requests.failed for each in counted),
        wrong=sum(each.requests.wrong for each in counted),
    )


def recovery_seconds(outcomes: Iterable[DrillOutcome]) -> list[float]:
    """Time to recover of each counted trial; infinity for one that did not. Trials without such a time are left out."""
    return [
        each.durations.recover[1] if each.exit is Exit.RECOVERED and each.durations.recover else math.inf
        for each in outcomes
        if each.exit is Exit.NOT_RECOVERED or (each.exit is Exit.RECOVERED and each.durations.recover)
    ]


def _summarise(outcomes: Sequence[DrillOutcome]) -> DrillSummary:
    counted = [outcome for outcome in outcomes if outcome.exit in COUNTED]
    recovered = [outcome for outcome in counted if outcome.exit is Exit.RECOVERED]
    times = [outcome.durations.recover[1] for outcome in recovered if outcome.durations.recover]
    return DrillSummary(
        name=outcomes[0].name,
        ablated=outcomes[0].ablated,
        trials=len(counted),
        recovered=len(recovered),
        recovered_share_min=share_bound(len(recovered), len(counted)),
        recovered_share=share_interval(len(recovered), len(counted)),
        not_counted=len(outcomes) - len(counted),
        detect=_spread([outcome.durations.detect for outcome in counted]),
        mitigate=_spread([outcome.durations.mitigate for outcome in counted]),
        recover=_spread([outcome.durations.recover if outcome.exit is Exit.RECOVERED else None for outcome in counted]),
        recover_p50_interval=_interval(recovery_seconds(counted)),
        mean_recover_seconds=mean(times) if times else None,
        diagnosis=mean_score(counted),
        false_incidents=_false_incidents(counted),
        failed=sum(each.requests.failed for each in counted),
        wrong=sum(each.requests.wrong for each in counted),
        machines=tuple(sorted({outcome.machine for outcome in outcomes if outcome.machine})),
        revisions=tuple(dict.fromkeys(outcome.revision for outcome in outcomes if outcome.revision)),
        pipelines=tuple(sorted({outcome.pipeline for outcome in outcomes})),
        targets=tuple(sorted({outcome.target for outcome in outcomes})),
    )


def _false_incidents(outcomes: Iterable[DrillOutcome]) -> int:
    """Incidents that were opened although nothing harmful was done."""
    return sum(len(each.causes) for each in outcomes if not each.fault)


def _interval(seconds: Sequence[float]) -> tuple[float | None, float | None] | None:
    if not seconds:
        return None
    low, high = median_interval(seconds)
    return _finite(low), _finite(high)


def _spread(durations: Sequence[tuple[float, float] | None]) -> Spread:
    """Nearest-rank quantiles of the upper ends; what never happened counts as longest."""
    seconds = [math.inf if each is None else each[1] for each in durations]
    if not seconds:
        return Spread(p50=None, p90=None, max=None)
    return Spread(
        p50=_finite(nearest_rank(seconds, 0.5)),
        p90=_finite(nearest_rank(seconds, 0.9)),
        max=_finite(nearest_rank(seconds, 1.0)),
    )


def _finite(seconds: float) -> float | None:
    return None if math.isinf(seconds) else seconds
