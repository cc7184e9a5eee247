"""The verdict on each batch of a frame: which rows are accepted, which are not and why, and what is an incident."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from healing.incident import Cause, Remedy
from tasks.ingestion.validation.batch_frame import AppliedRepair, BatchFrame, Mask, RowCheck
from tasks.ingestion.validation.batch_history import BatchHistory
from tasks.ingestion.validation.batch_slice import BatchSlice
from tasks.ingestion.validation.batch_thresholds import check_critical, check_missing_shares, check_shares
from tasks.ingestion.validation.day_checks import check_day
from tasks.ingestion.validation.expectations import ExpectationResult
from tasks.ingestion.validation.findings import BatchFinding, CheckResult
from tasks.ingestion.validation.row_checks import batch_days, local_days
from tasks.ingestion.validation.schema import schema_gap
from tasks.ingestion.validation.validated_batch import ValidatedBatch
from tasks.lake.columns import BATCH_DAY

_EXAMPLES_MAX = 3


def verdicts(
    frame: BatchFrame, results: Sequence[ExpectationResult], repeated: Mask, history: BatchHistory
) -> Iterator[ValidatedBatch]:
    """One verdict per batch of the frame, in order; an accepted batch is part of the history of those that follow.

    `repeated` marks rows whose key comes again in their batch and that may be dropped.
    """
    reasons, accepted, passed = frame.reasons(), _accepted_rows(frame), _passed_checks(frame)
    rows, fingerprints = dict(history.rows), dict(history.fingerprints)
    history = BatchHistory(rows, fingerprints)
    for part in _slices(frame, repeated):
        findings = _findings(part, results, history)
        fatal = [finding for finding in findings if finding.rejects][:1]  # the others follow from the first
        if not fatal:
            rows[part.batch.day] = part.accepted_rows
            if part.fingerprint is not None:
                fingerprints[part.batch.day] = part.fingerprint
        checks = (*_row_results(part, passed), *map(_batch_result, findings), *_unknown_columns(part))
        bad = {int(row): reasons[int(row) + part.rows.start] for row in np.flatnonzero(part.bad[part.rows])}
        if fatal:
            yield _rejected(part, fatal[0], bad, checks)
        else:
            yield _accepted(part, accepted, findings, bad, checks)


def reject(batch: ValidatedBatch, finding: BatchFinding) -> ValidatedBatch:
    """The batch with every row bad, for the reason of `finding` or, where a row has one, for its own."""
    bad = {position: batch.bad.get(position, finding.summary) for position in range(batch.received)}
    nothing = batch.good.schema.empty_table()
    return replace(batch, good=nothing, bad=bad, repairs=(), findings=(finding,), rejected=finding.summary)


def one_per_cause(findings: Iterable[BatchFinding]) -> list[BatchFinding]:
    """The findings with those of one cause joined: a batch has one incident per cause."""
    found: dict[Cause, BatchFinding] = {}
    for finding in findings:
        first = found.get(finding.cause)
        found[finding.cause] = finding if first is None else _joined(first, finding)
    return list(found.values())


def _slices(frame: BatchFrame, repeated: Mask) -> Iterator[BatchSlice]:
    bad, days, starts = frame.bad, local_days(frame), frame.starts.tolist()
    for index, batch in enumerate(frame.batches):
        yield BatchSlice(frame, batch, index, slice(starts[index], starts[index + 1]), bad, repeated, days)


@dataclass(frozen=True, slots=True)
class _AcceptedRows:
    """The rows of a frame that are not bad, in Arrow types, and the position of each batch's first one."""

    table: pa.Table
    starts: list[int]

    def of_batch(self, index: int) -> pa.Table:
        first, end = self.starts[index], self.starts[index + 1]
        return self.table.slice(first, end - first)


def _accepted_rows(frame: BatchFrame) -> _AcceptedRows:
    """The conversion to Arrow costs as much for many batches as for one."""
    good = ~frame.bad
    rows = frame.rows[good].assign(**{BATCH_DAY: batch_days(frame)[good]})
    table = pa.Table.from_pandas(rows, schema=frame.rules.schema, preserve_index=False).replace_schema_metadata(None)
    return _AcceptedRows(table, [0, *np.cumsum(frame.count_per_batch(good)).tolist()])


def _findings(part: BatchSlice, results: Sequence[ExpectationResult], history: BatchHistory) -> list[BatchFinding]:
    """All findings, those that explain the others first."""
    day = list(check_day(part, history))
    return [
        *(finding for finding in day if finding.cause is Cause.STALE_DATA),
        *check_missing_shares(part),
        *check_critical(part, results),
        *check_shares(part),
        *(finding for finding in day if finding.cause is not Cause.STALE_DATA),
    ]


def _rejected(
    part: BatchSlice, fatal: BatchFinding, bad: dict[int, str], checks: tuple[CheckResult, ...]
) -> ValidatedBatch:
    return reject(ValidatedBatch(part.batch, part.frame.rules.schema.empty_table(), bad, checks=checks), fatal)


def _accepted(
    part: BatchSlice,
    accepted: _AcceptedRows,
    findings: Sequence[BatchFinding],
    bad: dict[int, str],
    checks: tuple[CheckResult, ...],
) -> ValidatedBatch:
    repairs = part.frame.repairs[part.index]
    return ValidatedBatch(
        batch=part.batch,
        good=accepted.of_batch(part.index),
        bad=bad,
        repairs=tuple(each.description for each in repairs),
        findings=tuple(one_per_cause([*_repaired(repairs), *findings])),
        checks=checks,
    )


def _repaired(repairs: Sequence[AppliedRepair]) -> Iterator[BatchFinding]:
    """One finding per cause that repairs ended."""
    for cause in dict.fromkeys(each.cause for each in repairs if each.cause is not None):
        done = [each.description for each in repairs if each.cause is cause]
        yield BatchFinding(cause, Remedy.REPAIR_BATCH, "; ".join(done), {"repairs": done}, "repair")


def _joined(first: BatchFinding, second: BatchFinding) -> BatchFinding:
    return replace(
        first,
        remedy=first.remedy if first.remedy is Remedy.QUARANTINE_BATCH else second.remedy,
        summary=f"{first.summary}; {second.summary}",
        facts={**second.facts, **first.facts},
        rejects=first.rejects or second.rejects,
    )


def _passed_checks(frame: BatchFrame) -> list[CheckResult | None]:
    """For each check the result that all batches share; None where some row fails it."""
    return [None if check.any_failed else CheckResult(check.reason, check.severity, 0, ()) for check in frame.checks]


def _row_results(part: BatchSlice, passed: Sequence[CheckResult | None]) -> Iterator[CheckResult]:
    for check, shared in zip(part.frame.checks, passed, strict=True):
        if shared is not None:
            yield shared
            continue
        positions = np.flatnonzero(check.failed[part.rows]).tolist()
        yield CheckResult(check.reason, check.severity, len(positions), _examples(part, check, positions))


def _examples(part: BatchSlice, check: RowCheck, positions: list[int]) -> tuple[str, ...]:
    """The first failing values, as the source wrote them."""
    if not positions:
        return ()
    text = part.frame.text
    named = [name for name in check.columns if name in text.columns]
    shown = text[named].iloc[part.rows].iloc[positions[:_EXAMPLES_MAX]]
    return tuple(" ".join(map(str, row)) for row in shown.itertuples(index=False)) if named else ()


def _batch_result(finding: BatchFinding) -> CheckResult:
    return CheckResult(finding.check, "critical" if finding.rejects else "warning", 0, (finding.summary,))


def _unknown_columns(part: BatchSlice) -> Iterator[CheckResult]:
    """Columns that the contract does not have are left out, and that is reported."""
    for name in schema_gap(part.table, part.batch.text.column_names).unknown:
        yield CheckResult(f"unknown column: {name}", "info", part.size)
