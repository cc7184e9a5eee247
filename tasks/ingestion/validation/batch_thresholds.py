"""Shares of a batch's rows above which it is an incident, or no batch at all."""

from collections.abc import Iterator, Sequence

import numpy as np

from healing.incident import Cause, Remedy
from tasks.ingestion.validation.batch_frame import Mask, Sheet
from tasks.ingestion.validation.expectations import Judged
from tasks.ingestion.validation.finding import Finding

_LOST_SHARE = 0.95  # an optional column with more missing values is as good as gone
_SPARSE_SHARE = 0.7  # unless it was nearly so on a usual day
_GAP_SHARE_MIN = 0.15  # of an optional column, and twice the worst usual day's: less is weather
_ROWS_MIN = 10  # of fewer rows a share says nothing


def judge_critical(rows: slice, judged: Sequence[Judged]) -> Iterator[Finding]:
    """A critical expectation that more than a tolerated share breaks rejects the batch."""
    size = rows.stop - rows.start
    for expectation in judged:
        if expectation.severity != "critical" or not expectation.rows:
            continue
        broken = sum(1 for row in expectation.rows if rows.start <= row < rows.stop)
        if broken > expectation.tolerated * size:
            facts: dict[str, object] = {"bad_share": broken / size}
            name = expectation.expectation
            yield Finding(Cause.BAD_ROWS, Remedy.QUARANTINE_BATCH, f"critical: {name}", facts, name, rejects=True)


def judge_shares(sheet: Sheet, rows: slice, bad: Mask, again: Mask) -> Iterator[Finding]:
    """Too many missing values, bad rows or repetitions. A few are set aside and only counted."""
    contract, table = sheet.rules.contract, sheet.rules.table
    size = rows.stop - rows.start
    if not size:
        return
    bad_share = float(bad[rows].mean())
    rejects = bad_share > contract.reject_share
    empty = {name: _missing_share(sheet, rows, name) for name in table.columns if name in table.needed}
    spikes = {name: share for name, share in empty.items() if share > contract.max_null_share}
    if spikes:
        worst = max(spikes, key=lambda name: spikes[name])
        summary = f"{worst}: expected at most {contract.max_null_share:.1%} missing values, found {spikes[worst]:.1%}"
        facts: dict[str, object] = {"null_shares": spikes}
        yield Finding(Cause.NULL_SPIKE, Remedy.QUARANTINE_BATCH, summary, facts, "missing values", rejects)
    elif bad_share > contract.max_bad_share:
        cause, what = _why_bad(sheet, rows)
        summary = f"expected at most {contract.max_bad_share:.1%} bad rows, found {bad_share:.1%}: {what}"
        facts = {"bad_share": bad_share}
        yield Finding(cause, Remedy.QUARANTINE_BATCH, summary, facts, "bad rows", rejects)
    again_share = float(again[rows].mean())
    if again_share > contract.max_duplicate_share:
        summary = f"expected at most {contract.max_duplicate_share:.1%} rows that come again, found {again_share:.1%}"
        facts = {"duplicate_share": again_share}
        yield Finding(Cause.DUPLICATE_DATA, Remedy.REPAIR_BATCH, summary, facts, "duplicates")


def judge_gaps(sheet: Sheet, rows: slice) -> Iterator[Finding]:
    """An optional column that is gone rejects the batch, as if it were dropped; one that is much emptier than on the
    worst of the usual days is an incident, and its rows go in."""
    reference, table = sheet.rules.reference, sheet.rules.table
    if reference is None or rows.stop - rows.start < _ROWS_MIN:
        return
    for name in table.columns:
        usual = None if name in table.needed else reference.null_share_max(name)
        share = _missing_share(sheet, rows, name)
        if usual is None:
            continue
        gone = share > _LOST_SHARE and usual < _SPARSE_SHARE
        if not gone and share <= max(_GAP_SHARE_MIN, 2 * usual):
            continue
        remedy = Remedy.QUARANTINE_BATCH if gone else Remedy.WAIT
        summary = f"{name}: expected at most {usual:.1%} missing values, found {share:.1%}"
        yield Finding(Cause.NULL_SPIKE, remedy, summary, {"null_shares": {name: share}}, "missing values", gone)


def _missing_share(sheet: Sheet, rows: slice, name: str) -> float:
    return float(sheet.text[name].iloc[rows].isna().mean())


def _why_bad(sheet: Sheet, rows: slice) -> tuple[Cause, str]:
    """What keeps out most of the bad rows: a value of another type is a change of schema."""
    most = max(
        sheet.ran, key=lambda ran: int(np.count_nonzero(ran.mask[rows])) if ran.found and ran.severity != "info" else 0
    )
    return (Cause.SCHEMA_BREAK if most.is_type else Cause.BAD_ROWS), most.reason
