"""The regression gate: stored trials against a committed baseline of the same kind of machine.

A drill is worse when fewer of its trials recovered than chance explains (Fisher's exact test, one-sided), or when its
median time to recover grew by more than a factor, with confidence.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from chaos.outcome import DrillOutcome, machine_kind, revision
from chaos.report import COUNTED, recovery_seconds
from chaos.resampling import ratio_interval
from chaos.verdict import Exit

__all__ = ["BASELINES", "Baseline", "DrillBaseline", "Regression", "baseline_of", "find_baseline", "regressions"]

BASELINES = Path(__file__).parent / "baselines"
ALPHA = 0.05
SLOWER_MAX = 1.5  # times as long is within what a busy neighbour does
SECONDS_MIN = 1.0  # and less than a second is within what sampling does
TIMES_MIN = 3  # fewer times say nothing about a median


class DrillBaseline(BaseModel):
    """The counted trials of one drill; `recover_seconds` is None for a trial that did not recover."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trials: int = Field(ge=0)
    recovered: int = Field(ge=0)
    recover_seconds: tuple[float | None, ...] = ()


class Baseline(BaseModel):
    """The trials that later ones are compared with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: str
    revision: str
    note: str = Field(default="", description="Under which conditions it was measured.")
    drills: Mapping[str, DrillBaseline]


@dataclass(frozen=True, slots=True)
class Regression:
    """One drill that became worse, and why."""

    drill: str
    why: str


def baseline_of(outcomes: Sequence[DrillOutcome]) -> Baseline:
    """A baseline from the trials of this kind of machine, without ablations."""
    by_name = _by_name(outcomes)
    return Baseline(
        machine=machine_kind(),
        revision=revision(),
        drills={
            name: DrillBaseline(
                trials=len(trials),
                recovered=sum(each.exit is Exit.RECOVERED for each in trials),
                recover_seconds=tuple(
                    None if math.isinf(seconds) else round(seconds, 3) for seconds in recovery_seconds(trials)
                ),
            )
            for name, trials in sorted(by_name.items())
        },
    )


def find_baseline(directory: Path = BASELINES) -> Baseline | None:
    """The committed baseline of this kind of machine; None when there is none."""
    path = directory / f"{machine_kind()}.json"
    return Baseline.model_validate_json(path.read_bytes()) if path.exists() else None


def regressions(baseline: Baseline, outcomes: Sequence[DrillOutcome]) -> list[Regression]:
    """The drills that are worse than in the baseline. A drill that either side lacks is not compared."""
    return [
        Regression(name, why)
        for name, trials in sorted(_by_name(outcomes).items())
        if name in baseline.drills
        for why in _worse(baseline.drills[name], trials)
    ]


def _worse(before: DrillBaseline, trials: Sequence[DrillOutcome]) -> list[str]:
    recovered = sum(each.exit is Exit.RECOVERED for each in trials)
    chance = _chance_of_so_few(recovered, len(trials), before)
    if chance < ALPHA:
        return [f"{recovered}/{len(trials)} recovered, {before.recovered}/{before.trials} before (p = {chance:.3g})"]
    earlier = [math.inf if each is None else each for each in before.recover_seconds]
    later = recovery_seconds(trials)
    if min(len(earlier), len(later)) < TIMES_MIN:
        return []
    low, high = ratio_interval(later, earlier)
    grown = sorted(later)[len(later) // 2] - sorted(earlier)[len(earlier) // 2]
    if low > SLOWER_MAX and grown > SECONDS_MIN:
        return [f"recovery takes {low:.1f} to {high:.1f} times as long as before"]
    return []


def _chance_of_so_few(recovered: int, trials: int, before: DrillBaseline) -> float:
    """Chance of so few recoveries, or fewer, if the chance to recover were as before."""
    from scipy.stats import fisher_exact

    table = [[recovered, trials - recovered], [before.recovered, before.trials - before.recovered]]
    return float(fisher_exact(table, alternative="less").pvalue)


def _by_name(outcomes: Sequence[DrillOutcome]) -> Mapping[str, list[DrillOutcome]]:
    """The counted trials of a stack on this kind of machine by drill, without ablations."""
    here = machine_kind()
    own = [each for each in outcomes if each.machine == here and not each.target]
    counted = [each for each in own if each.exit in COUNTED and each.ablated is None]
    return {name: [each for each in counted if each.name == name] for name in {each.name for each in counted}}
