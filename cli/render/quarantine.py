"""Batches in quarantine, and the rows of one batch as they were sent."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.text import Text

from cli.render.parts import Headline, fields, number, quiet, section, table

if TYPE_CHECKING:
    from tasks.ingestion.quarantine import QuarantineNote, Refusal


def quarantine_parts(notes: "Sequence[QuarantineNote]", refused: "Sequence[Refusal]") -> list[RenderableType]:
    """One row per batch with its commonest reason, and one per refused answer of a source."""
    if not notes and not refused:
        return ["Nothing is in quarantine."]
    rows = [
        (note.batch_id, f"{number(note.quarantined)} of {number(note.received)} rows", _commonest(note.reasons))
        for note in notes
    ]
    rows += [(each.batch_id, f"refused from {each.source}", each.reason) for each in refused]
    return [table(("batch", "what", "reason"), rows)]


def batch_parts(
    note: "QuarantineNote", original: str, rows: Sequence[Mapping[str, Any]], limit: int
) -> list[RenderableType]:
    """Why rows of the batch are in quarantine, and the first of them."""
    reasons = sorted(note.reasons.items(), key=lambda item: -item[1])
    released = [f"{len(each.rows)} rows on {each.at:%Y-%m-%d} by {each.by}: {each.why}" for each in note.releases]
    more = f"and {len(note.rows) - limit} more; --limit shows them" if len(note.rows) > limit else ""
    return [
        Headline(f"{note.batch_id} from {note.source}: {note.quarantined} of {note.received} rows in quarantine"),
        fields([("sent", original), *(("released", each) for each in released)]),
        *section(
            "reasons", table(("rows", "reason"), ((number(count), why) for why, count in reasons), numbers=("rows",))
        ),
        *section("rows", *(part for row in rows for part in _row(row)), *([quiet(more)] if more else [])),
    ]


def _row(row: Mapping[str, Any]) -> list[RenderableType]:
    sent = ", ".join(f"{name}={value}" for name, value in row["sent"].items())
    return [Text(f"row {row['row']}: {row['reason']}"), Text(f"    {sent}", style="dim")]


def _commonest(reasons: Mapping[str, int]) -> str:
    return max(reasons, key=lambda reason: reasons[reason], default="")
