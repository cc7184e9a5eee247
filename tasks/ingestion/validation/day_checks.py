"""What a batch must be as a whole: a day, all of it, and not another day again."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from healing.incident import Cause, Remedy
from tasks.config.table import Table
from tasks.ingestion.validation.batch_history import Past
from tasks.ingestion.validation.finding import Finding

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Day:
    """A batch as a whole. `rows` counts distinct keys; `clock` holds event times on the pipeline's clock, of rows that
    have one; `elsewhere` counts rows by the other day that they belong to."""

    day: date
    received: int
    rows: int
    clock: "pd.Series[pd.Timestamp]"
    typed: "pd.DataFrame"
    elsewhere: dict[date, int]
    content: int | None


def judge_day(table: Table, day: Day, past: Past) -> Iterator[Finding]:
    """Why the batch is no whole day of its own; context that is thin is accepted."""
    yield from _another_day(table, day)
    yield from _replayed(day, past)
    yield from _volume(table, day, past)
    if day.rows:
        yield from _coverage(table, day)


def _another_day(table: Table, day: Day) -> Iterator[Finding]:
    other, count = max(day.elsewhere.items(), key=lambda item: item[1], default=(day.day, 0))
    if count * 2 > day.received:
        summary = f"{table.event_time}: expected rows of {day.day}, found {count} of {day.received} of {other}"
        yield Finding(Cause.STALE_DATA, Remedy.QUARANTINE_BATCH, summary, {"day": str(other)}, "another day", True)


def _replayed(day: Day, past: Past) -> Iterator[Finding]:
    same = None if day.content is None else past.same_as(day.content, day.day)
    if same is not None:
        summary = f"expected rows of {day.day}, found those of {same} with other keys and times"
        yield Finding(Cause.STALE_DATA, Remedy.QUARANTINE_BATCH, summary, {"day": str(same)}, "replay", True)


def _volume(table: Table, day: Day, past: Past) -> Iterator[Finding]:
    usual = past.usual_rows(day.day) if table.volume is not None else None
    if usual is None or table.volume is None:
        return
    if not table.volume.share_min * usual <= day.rows <= table.volume.share_max * usual:
        summary = f"expected about {usual:.0f} rows, as on the last {day.day:%A}s, found {day.rows}"
        facts: dict[str, object] = {"rows": day.rows, "usual": usual}
        yield _thin(table, summary, facts, "volume")


def _coverage(table: Table, day: Day) -> Iterator[Finding]:
    gaps = []
    covers = table.covers
    if len(day.clock):
        first, last = day.clock.min(), day.clock.max()
        if covers.since is not None and first.time() > covers.since:
            gaps.append(f"expected rows from {covers.since:%H:%M} on, found the first at {first:%H:%M}")
        if covers.until is not None and last.time() < covers.until:
            gaps.append(f"expected rows until {covers.until:%H:%M}, found the last at {last:%H:%M}")
    for column, values in covers.each.items():
        lost = [value for value in values if value not in set(day.typed[column].dropna())]
        if lost:
            gaps.append(f"expected rows of every {column}, found none of {', '.join(lost)}")
    if gaps:
        yield _thin(table, "; ".join(gaps), {"gaps": gaps}, "coverage")


def _thin(table: Table, summary: str, facts: dict[str, object], check: str) -> Finding:
    """A day that is not all there. Context that is thin is still right, so what came of it goes in."""
    rejects = table.role != "context"
    remedy = Remedy.QUARANTINE_BATCH if rejects else Remedy.WAIT
    return Finding(Cause.VOLUME_ANOMALY, remedy, summary, facts, check, rejects)
