"""The outcome of a retrain, and of the bootstrap that ingested before it."""

from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import RenderableType

from cli.render.ingest import ingest_parts
from cli.render.parts import Headline, fields, number, quiet, table, word

if TYPE_CHECKING:
    from flows.ingest import IngestReport
    from tasks.rollout.retrain_outcome import RetrainOutcome
    from tasks.training.comparison import Comparison
    from tasks.training.earlier_champions import EarlierChampion


def bootstrap_parts(ingested: "IngestReport", trained: "RetrainOutcome") -> list[RenderableType]:
    """Both reports, the ingest first."""
    return [*ingest_parts(ingested), *retrain_parts(trained)]


def retrain_parts(outcome: "RetrainOutcome") -> list[RenderableType]:
    """The result, the days and the digest of the candidate, and one row per comparison."""
    rollout, repetition = outcome.rollout, outcome.repetition
    skipped = "comparisons were skipped on request" if outcome.comparison_skipped else None
    repeated = None
    if repetition is not None:
        repeated = "the same model" if repetition.same else f"another model: {'; '.join(repetition.why)}"
    shown = (*outcome.comparisons, *(() if outcome.refit is None else (outcome.refit,)))
    name = "earlier champion" if outcome.returned else "candidate"
    parts: list[RenderableType] = [
        Headline(f"{outcome.pipeline}: {name} {outcome.version}:", word(outcome.result)),
        fields(
            [
                ("trained on", f"{outcome.trained_from} to {outcome.trained_until}"),
                ("sample", outcome.sample),
                ("digest", outcome.digest or "none: nothing was published"),
                ("release", None if rollout is None else f"generation {rollout.generation}, {rollout.result}"),
                ("warning", outcome.leakage_warning),
                ("note", skipped),
                ("skipped", ", ".join(outcome.skipped) or None),
                ("trained again", repeated),
                ("incident", outcome.incident_id),
            ]
        ),
    ]
    if shown:
        columns = ("against", "outcome", "gain per row", "90% interval", "rows", "note")
        parts.append(table(columns, map(_row, shown), numbers=("gain per row",)))
    if outcome.earlier:
        columns = ("earlier champion", "outcome", "gain per row", "90% interval", "rows", "note")
        parts.append(table(columns, map(_earlier_row, outcome.earlier), numbers=("gain per row",)))
    return parts


def _earlier_row(earlier: "EarlierChampion") -> tuple[RenderableType, ...]:
    """Its comparison with the champion, with its version in place of what it is compared with."""
    _, *rest, note = _row(replace(earlier.comparison, blocks=False))
    return (
        earlier.version,
        *rest,
        quiet("returns") if earlier.returns else quiet(earlier.why_not) if earlier.why_not else note,
    )


def _row(comparison: "Comparison") -> tuple[RenderableType, ...]:
    """The reason is shown where the numbers do not say it: where there is no gain."""
    has_gain = comparison.gain_lower is not None and comparison.gain_upper is not None
    notes = ("" if has_gain else comparison.reason, "blocks the release" if comparison.blocks else "")
    days = f" on {comparison.days} days" if comparison.days else ""
    return (
        f"{comparison.against}, {comparison.segment}" if comparison.segment else comparison.against,
        word(comparison.outcome),
        "-" if comparison.gain is None else f"{comparison.gain:+.4f}",
        f"{comparison.gain_lower:+.4f} to {comparison.gain_upper:+.4f}" if has_gain else "-",
        f"{number(comparison.rows)}{days}",
        quiet("; ".join(filter(None, notes))),
    )
