"""Shares of a batch's rows that are an incident, or that reject the batch. The limits are settings of `contract:`."""

from collections.abc import Iterator, Sequence

import numpy as np

from healing.incident import Cause, Remedy
from tasks.ingestion.validation.batch_slice import BatchSlice
from tasks.ingestion.validation.expectations import ExpectationResult
from tasks.ingestion.validation.findings import BatchFinding


def check_critical(part: BatchSlice, results: Sequence[ExpectationResult]) -> Iterator[BatchFinding]:
    """A critical expectation that more than the tolerated share of rows fails rejects the batch."""
    for result in results:
        if result.severity != "critical" or not result.rows:
            continue
        failed = sum(1 for row in result.rows if part.rows.start <= row < part.rows.stop)
        if failed > result.tolerated * part.size:
            facts: dict[str, object] = {"bad_share": failed / part.size}
            name = result.expectation
            yield BatchFinding(Cause.BAD_ROWS, Remedy.QUARANTINE_BATCH, f"critical: {name}", facts, name, rejects=True)


def check_shares(part: BatchSlice) -> Iterator[BatchFinding]:
    """Too many missing values, bad rows or repeated rows. Below the limits such rows are quarantined or dropped."""
    if not part.size:
        return
    contract = part.frame.rules.contract
    bad_share = float(part.bad[part.rows].mean())
    rejects = bad_share > contract.reject_share
    missing = {name: part.missing_share(name) for name in part.table.columns if name in part.table.needed}
    spikes = {name: share for name, share in missing.items() if share > contract.max_null_share}
    if spikes:
        yield _null_spike(spikes, contract.max_null_share, rejects=rejects)
    elif bad_share > contract.max_bad_share:
        yield _bad_rows(part, bad_share, rejects=rejects)
    repeated_share = float(part.repeated[part.rows].mean())
    if repeated_share > contract.max_duplicate_share:
        summary = f"expected at most {contract.max_duplicate_share:.1%} repeated rows, found {repeated_share:.1%}"
        facts: dict[str, object] = {"duplicate_share": repeated_share}
        yield BatchFinding(Cause.DUPLICATE_DATA, Remedy.REPAIR_BATCH, summary, facts, "duplicates")


def check_missing_shares(part: BatchSlice) -> Iterator[BatchFinding]:
    """Optional columns with many more missing values than usual.

    A column without values rejects the batch, as a dropped column does. One with a gap is an incident, and its rows are
    accepted.
    """
    reference, contract = part.frame.rules.reference, part.frame.rules.contract
    if reference is None or part.size < contract.share_rows_min:
        return
    for name in part.table.columns:
        usual = None if name in part.table.needed else reference.null_share_max(name)
        if usual is None:
            continue
        share = part.missing_share(name)
        dropped = share > contract.dropped_null_share and usual < contract.sparse_null_share
        if not dropped and share <= max(contract.gap_null_share, contract.gap_ratio * usual):
            continue
        remedy = Remedy.QUARANTINE_BATCH if dropped else Remedy.WAIT
        summary = f"{name}: expected at most {usual:.1%} missing values, found {share:.1%}"
        facts: dict[str, object] = {"null_shares": {name: share}}
        yield BatchFinding(Cause.NULL_SPIKE, remedy, summary, facts, "missing values", dropped)


def _null_spike(spikes: dict[str, float], limit: float, *, rejects: bool) -> BatchFinding:
    worst = max(spikes, key=lambda name: spikes[name])
    summary = f"{worst}: expected at most {limit:.1%} missing values, found {spikes[worst]:.1%}"
    facts: dict[str, object] = {"null_shares": spikes}
    return BatchFinding(Cause.NULL_SPIKE, Remedy.QUARANTINE_BATCH, summary, facts, "missing values", rejects)


def _bad_rows(part: BatchSlice, share: float, *, rejects: bool) -> BatchFinding:
    """The check that fails for most rows names the cause: a value of another type is a change of schema."""
    check = max(
        part.frame.checks,
        key=lambda each: int(np.count_nonzero(each.failed[part.rows])) if each.makes_bad else 0,
    )
    cause = Cause.SCHEMA_BREAK if check.is_type else Cause.BAD_ROWS
    limit = part.frame.rules.contract.max_bad_share
    summary = f"expected at most {limit:.1%} bad rows, found {share:.1%}: {check.reason}"
    return BatchFinding(cause, Remedy.QUARANTINE_BATCH, summary, {"bad_share": share}, "bad rows", rejects)
