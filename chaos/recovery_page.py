"""docs/recovery.md: measured recovery per drill, from the committed baselines. `python -m chaos.compose` writes it."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from chaos.compose.drill import CatalogueDrill
from chaos.compose.remedies import policy_remedies, remedies_section
from chaos.gate import BASELINES, Baseline, DrillBaseline
from chaos.resampling import median_interval, nearest_rank, share_bound

__all__ = ["PAGE", "read_baselines", "recovery_page"]

PAGE = Path(__file__).parents[1] / "docs" / "recovery.md"
INTRODUCTION = """# Measured recovery

Rendered from `chaos/baselines/` by `python -m chaos.compose`; a test checks that both agree. How drills are run
and timed is in [drills.md](drills.md). Times are seconds from the proven fault to restored service, with the 95 %
interval of the median. A trial that did not recover counts as longest. "At least" is the one-sided 95 % bound on the
chance to recover. A drill without times is one that no client noticed.
"""


def recovery_page(baselines: Iterable[Baseline], drills: Sequence[CatalogueDrill]) -> str:
    """The page: one table per kind of machine with what was not measured there, and the drills of each remedy."""
    sections = [_section(baseline, drills) for baseline in baselines]
    return "\n".join([INTRODUCTION, *sections, remedies_section(drills, policy_remedies())])


def read_baselines(directory: Path = BASELINES) -> list[Baseline]:
    """The committed baselines, by kind of machine."""
    return [Baseline.model_validate_json(path.read_bytes()) for path in sorted(directory.glob("*.json"))]


def _section(baseline: Baseline, drills: Sequence[CatalogueDrill]) -> str:
    measured = [drill for drill in drills if drill.name in baseline.drills]
    missing = [drill for drill in drills if drill.name not in baseline.drills]
    rows = [_row(drill, baseline.drills[drill.name]) for drill in measured]
    lines = [
        f"## {baseline.machine}, revision {baseline.revision}",
        "",
        *([baseline.note, ""] if baseline.note else []),
        "| drill | recovered | at least | p50 (interval) | p90 | longest |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
    ]
    if missing:
        names = ", ".join(f"`{drill.name}` ({drill.tier.value})" for drill in missing)
        lines += [f"Not measured on this machine: {names}.", ""]
    return "\n".join(lines)


def _row(drill: CatalogueDrill, found: DrillBaseline) -> str:
    share = f"{found.recovered}/{found.trials} | {share_bound(found.recovered, found.trials):.0%}"
    seconds = [math.inf if each is None else each for each in found.recover_seconds]
    if not any(math.isfinite(each) for each in seconds):
        return f"| `{drill.name}` | {share} | | | |"
    low, high = median_interval(seconds)
    p50, p90, longest = (_show(nearest_rank(seconds, quantile)) for quantile in (0.5, 0.9, 1.0))
    return f"| `{drill.name}` | {share} | {p50} ({_show(low)} to {_show(high)}) | {p90} | {longest} |"


def _show(seconds: float) -> str:
    return "never" if math.isinf(seconds) else f"{seconds:.1f}"
