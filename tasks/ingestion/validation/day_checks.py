"""Checks of a batch as a whole: it holds its own day, all of it, and not a copy of another day."""

from collections.abc import Iterator

from healing.incident import Cause, Remedy
from tasks.config.table import Table
from tasks.ingestion.validation.batch_history import BatchHistory
from tasks.ingestion.validation.batch_slice import BatchSlice
from tasks.ingestion.validation.findings import BatchFinding


def check_day(part: BatchSlice, history: BatchHistory) -> Iterator[BatchFinding]:
    """Why the batch is not a whole day of its own. An incomplete context table is accepted with an incident."""
    yield from _other_day(part)
    yield from _replay(part, history)
    yield from _volume(part, history)
    if part.distinct_rows:
        yield from _coverage(part)


def _other_day(part: BatchSlice) -> Iterator[BatchFinding]:
    day = part.batch.day
    other, count = max(part.other_days.items(), key=lambda item: item[1], default=(day, 0))
    if count * 2 > part.size:
        summary = f"{part.table.event_time}: expected rows of {day}, found {count} of {part.size} of {other}"
        facts: dict[str, object] = {"day": str(other)}
        yield BatchFinding(Cause.STALE_DATA, Remedy.QUARANTINE_BATCH, summary, facts, "another day", True)


def _replay(part: BatchSlice, history: BatchHistory) -> Iterator[BatchFinding]:
    day, content = part.batch.day, part.fingerprint
    same = None if content is None else history.day_with(content, other_than=day)
    if same is not None:
        summary = f"expected rows of {day}, found those of {same} with other keys and times"
        facts: dict[str, object] = {"day": str(same)}
        yield BatchFinding(Cause.STALE_DATA, Remedy.QUARANTINE_BATCH, summary, facts, "replay", True)


def _volume(part: BatchSlice, history: BatchHistory) -> Iterator[BatchFinding]:
    volume, day, rows = part.table.volume, part.batch.day, part.distinct_rows
    usual = None if volume is None else history.usual_rows(day, part.frame.rules.contract)
    if volume is None or usual is None:
        return
    if not volume.share_min * usual <= rows <= volume.share_max * usual:
        summary = f"expected about {usual:.0f} rows, as on the last {day:%A}s, found {rows}"
        yield _incomplete(part.table, summary, {"rows": rows, "usual": usual}, "volume")


def _coverage(part: BatchSlice) -> Iterator[BatchFinding]:
    gaps = [*_time_gaps(part), *_value_gaps(part)]
    if gaps:
        yield _incomplete(part.table, "; ".join(gaps), {"gaps": gaps}, "coverage")


def _time_gaps(part: BatchSlice) -> Iterator[str]:
    covers = part.table.covers
    if (covers.since is None and covers.until is None) or not len(part.clock):
        return
    first, last = part.clock.min(), part.clock.max()
    if covers.since is not None and first.time() > covers.since:
        yield f"expected rows from {covers.since:%H:%M} on, found the first at {first:%H:%M}"
    if covers.until is not None and last.time() < covers.until:
        yield f"expected rows until {covers.until:%H:%M}, found the last at {last:%H:%M}"


def _value_gaps(part: BatchSlice) -> Iterator[str]:
    for column, values in part.table.covers.each.items():
        present = set(part.own_day[column].dropna())
        absent = [value for value in values if value not in present]
        if absent:
            yield f"expected rows of every {column}, found none of {', '.join(absent)}"


def _incomplete(table: Table, summary: str, facts: dict[str, object], check: str) -> BatchFinding:
    """A day of which something is missing. Rows of a context table are right all the same, so they are accepted."""
    rejects = table.role != "context"
    remedy = Remedy.QUARANTINE_BATCH if rejects else Remedy.WAIT
    return BatchFinding(Cause.VOLUME_ANOMALY, remedy, summary, facts, check, rejects)
