"""Drills: the list, and the report over all stored trials."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType

from cli.render.parts import fields, table

if TYPE_CHECKING:
    from chaos.experiment_files import Experiment
    from chaos.report import DrillSummary, Spread, Totals


def drill_list_parts(
    drills: "Sequence[Experiment]", reasons: Mapping[str, Sequence[str]] | None = None
) -> list[RenderableType]:
    """One row per drill; its tier says what it needs. With `reasons` of a target: whether it can run, and why not."""
    if reasons:
        rows = ((each.name, each.spec.tier, _permission(reasons[each.name])) for each in drills)
        return [table(("drill", "tier", "at the target"), rows)]
    return [table(("drill", "tier", "what happens"), ((each.name, each.spec.tier, each.title) for each in drills))]


def _permission(reasons: Sequence[str]) -> str:
    return "refused: " + "; ".join(reasons) if reasons else "can run"


def drill_report_parts(summaries: "Sequence[DrillSummary]", pooled: "Totals") -> list[RenderableType]:
    """One row per drill with its times, then all drills together."""
    if not summaries:
        return ["No drill has been run yet; try `autopilot drill run noop`."]
    columns = ("drill", "recovered", "at least", "detect", "mitigate", "recover p50", "p90", "max", "mean")
    low, high = pooled.recovered_share
    totals: list[tuple[str, RenderableType | None]] = [
        ("all drills", f"{pooled.recovered}/{pooled.trials} recovered ({low:.0%} to {high:.0%} with 95 % confidence)"),
        ("requests", f"{pooled.failed} failed, {pooled.wrong} wrong"),
        ("diagnosis", "none" if pooled.diagnosis is None else f"score {pooled.diagnosis:.2f}"),
        ("controls", f"{pooled.false_incidents} false incidents in {pooled.controls} trials"),
    ]
    totals += [(f"pooled: {each.name}", f"over {each.pooled}") for each in summaries if each.pooled]
    return [table(columns, map(_row, summaries), numbers=columns[1:]), fields(totals)]


def _row(summary: "DrillSummary") -> tuple[RenderableType, ...]:
    name = summary.name if summary.ablated is None else f"{summary.name} without {summary.ablated}"
    not_counted = f" (+{summary.not_counted} not counted)" if summary.not_counted else ""
    counts = (
        name,
        f"{summary.recovered}/{summary.trials} recovered{not_counted}",
        f"{summary.recovered_share_min:.0%}",
    )
    if summary.mitigate.p50 is None and summary.recovered == summary.trials:
        return (*counts, *6 * ("",))  # nothing was broken, so there are no times
    mean = "-" if summary.mean_recover_seconds is None else f"{summary.mean_recover_seconds:.1f} s"
    recover = summary.recover
    return (
        *counts,
        _seconds(summary.detect.p50),
        _seconds(summary.mitigate.p50),
        *map(_seconds, _quantiles(recover)),
        mean,
    )


def _quantiles(spread: "Spread") -> tuple[float | None, float | None, float | None]:
    return spread.p50, spread.p90, spread.max


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"
