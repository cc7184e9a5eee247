"""Validate batches against the contract of their table. Nothing is stored here.

Batches of many days are validated together, because Great Expectations costs about as much for a month as for a day.
Every decision is made, and every row counted, per batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from healing.incident import Cause, Remedy
from tasks.config.contract_section import Repair
from tasks.config.pipeline import Pipeline
from tasks.ingestion.repairs.cast import cast_values
from tasks.ingestion.repairs.convert import convert_units
from tasks.ingestion.repairs.impute import impute_values
from tasks.ingestion.repairs.rename import rename_columns
from tasks.ingestion.sources import Batch
from tasks.ingestion.sources.contract_form import contract_names
from tasks.ingestion.validation import row_checks
from tasks.ingestion.validation.batch_frame import AppliedRepair, BatchFrame
from tasks.ingestion.validation.batch_history import BatchHistory
from tasks.ingestion.validation.batch_verdict import reject, verdicts
from tasks.ingestion.validation.expectations import ExpectationResult, evaluate_suite
from tasks.ingestion.validation.findings import BatchFinding, CheckResult
from tasks.ingestion.validation.schema import SchemaGap, schema_gap
from tasks.ingestion.validation.table_rules import TableRules, read_rules
from tasks.ingestion.validation.validated_batch import ValidatedBatch


def validate_batches(
    pipeline: Pipeline, table: str, batches: Sequence[Batch], history: BatchHistory | None = None
) -> list[ValidatedBatch]:
    """Validate batches of one table, each by itself, in their order.

    `history` describes the days before; without it no batch is compared with them.
    """
    rules = read_rules(pipeline, table)
    validated: dict[str, ValidatedBatch] = {}
    readable: list[tuple[Batch, list[AppliedRepair]]] = []
    known: dict[tuple[str, ...], _ContractColumns] = {}  # most batches have the columns of the first one
    for received in batches:
        columns = tuple(received.text.column_names)
        if columns not in known:
            known[columns] = _contract_columns(rules, columns)
        batch = replace(received, text=received.text.rename_columns(known[columns].names))
        finding = _unreadable(rules, batch, known[columns].gap)
        if finding is None:
            readable.append((batch, known[columns].repairs))
        else:
            validated[batch.id] = _rejected(rules, batch, finding)
    for each in _validate_rows(rules, readable, history or BatchHistory()):
        validated[each.batch.id] = each
    return [validated[batch.id] for batch in batches]


@dataclass(frozen=True, slots=True)
class _ContractColumns:
    """Columns named as in the contract, as far as possible, the renames that this took, and what still differs."""

    names: list[str]
    repairs: list[AppliedRepair]
    gap: SchemaGap


def _contract_columns(rules: TableRules, columns: Sequence[str]) -> _ContractColumns:
    names = contract_names(rules.table, columns)
    gap = schema_gap(rules.table, names)
    repairs: list[AppliedRepair] = []
    if gap.missing and Repair.RENAME in rules.contract.repairs:
        names, repairs = rename_columns(rules.table, names, gap)
        gap = schema_gap(rules.table, names)
    return _ContractColumns(names, repairs, gap)


def _unreadable(rules: TableRules, batch: Batch, gap: SchemaGap) -> BatchFinding | None:
    """Why no row of the batch can be checked: columns are missing, or it has too few rows."""
    if gap.missing:
        facts: dict[str, object] = {"missing": list(gap.missing), "unknown": list(gap.unknown)}
        return BatchFinding(Cause.SCHEMA_BREAK, Remedy.QUARANTINE_BATCH, f"columns: {gap}", facts, "columns", True)
    rows, rows_min = batch.text.num_rows, rules.table.rows_min
    if rows < rows_min:
        summary = f"expected at least {rows_min} rows, found {rows}"
        facts = {"rows": rows}
        return BatchFinding(Cause.VOLUME_ANOMALY, Remedy.QUARANTINE_BATCH, summary, facts, "minimum rows", True)
    return None


def _rejected(rules: TableRules, batch: Batch, finding: BatchFinding) -> ValidatedBatch:
    check = CheckResult(finding.check, "critical", batch.text.num_rows)
    return reject(ValidatedBatch(batch, rules.schema.empty_table(), {}, checks=(check,)), finding)


def _validate_rows(
    rules: TableRules, batches: Sequence[tuple[Batch, list[AppliedRepair]]], history: BatchHistory
) -> list[ValidatedBatch]:
    """Cast, repair and check all rows at once, then decide on each batch."""
    if not batches:
        return []
    frame = BatchFrame.of(rules, [batch for batch, _ in batches], [repairs for _, repairs in batches])
    _repair(frame)
    row_checks.check_rows(frame)
    results = _check_expectations(frame)
    repeated = row_checks.check_duplicates(frame)
    return list(verdicts(frame, results, repeated, history))


def _repair(frame: BatchFrame) -> None:
    allowed = frame.rules.contract.repairs
    if Repair.CAST in allowed:
        cast_values(frame)
    if Repair.CONVERT in allowed:
        convert_units(frame)
    if Repair.IMPUTE in allowed:
        impute_values(frame)


def _check_expectations(frame: BatchFrame) -> list[ExpectationResult]:
    suite = frame.rules.suite
    results = evaluate_suite(suite, frame.rows) if suite is not None else []
    for result in results:
        failed = np.zeros(len(frame.batch_index), dtype=bool)
        failed[list(result.rows)] = True
        frame.record_check(result.expectation, failed, result.columns, result.severity)
    return results
