"""What becomes of the rows that a source sent: good ones typed, bad ones with a reason, and what was noticed.

Nothing is stored here. Batches of many days are examined together, because Great Expectations costs about as much for a
month as for a day; every judgement is still made, and counted, batch by batch.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from healing.incident import Cause, Remedy
from tasks.config.contract_section import Repair
from tasks.config.pipeline import Pipeline
from tasks.ingestion.repairs.cast import recast
from tasks.ingestion.repairs.convert import convert
from tasks.ingestion.repairs.impute import impute
from tasks.ingestion.repairs.rename import rename_back
from tasks.ingestion.sources import Batch
from tasks.ingestion.sources.contract_form import in_contract_form
from tasks.ingestion.validation import row_checks
from tasks.ingestion.validation.batch_frame import Mended, Rules, Sheet
from tasks.ingestion.validation.batch_history import Past
from tasks.ingestion.validation.batch_verdict import Ruling, account
from tasks.ingestion.validation.contract import cast_rows, schema_gap
from tasks.ingestion.validation.expectations import judge_rows
from tasks.ingestion.validation.finding import Check, Finding
from tasks.ingestion.validation.reference import read_domain, read_reference
from tasks.lake.columns import BATCH_DAY

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Examined", "Finding", "arrow_schema", "examine", "rules_of"]

_ARROW = {
    "string": pa.string(),
    "double": pa.float64(),
    "long": pa.int64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


@dataclass(frozen=True)
class Examined:
    """A batch after examination. `good` holds the rows that may go into the lake, in Arrow types.

    `bad` maps a row's place in the batch to why it may not; `rejected` is the reason when none may.
    """

    batch: Batch
    good: pa.Table
    bad: dict[int, str]
    repairs: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    rejected: str | None = None
    checks: tuple[Check, ...] = ()

    @property
    def received(self) -> int:
        return len(self.batch.rows)

    @property
    def reasons(self) -> dict[str, int]:
        """How many rows each reason keeps out."""
        return dict(Counter(self.bad.values()))


@dataclass(frozen=True)
class _Readable:
    """A batch that has the contract's columns."""

    batch: Batch
    mended: tuple[Mended, ...]
    rows: "pd.DataFrame"
    unknown: tuple[str, ...]


def arrow_schema(pipeline: Pipeline, table: str) -> pa.Schema:
    """The table's columns in the lake: the contract's, and the day of the batch that brought the row."""
    fields = [(name, _ARROW[kind]) for name, kind in pipeline.tables[table].columns.items()]
    return pa.schema([*fields, (BATCH_DAY, pa.date32())])


def rules_of(pipeline: Pipeline, table: str) -> Rules:
    """What the rows of a table are held against."""
    file = pipeline.reference_file(table)
    reference = None if file is None else read_reference(file)
    rules = pipeline.tables[table]
    domains = {name: read_domain(pipeline.folder / file) for name, file in rules.domains.items()}
    return Rules(rules, pipeline.contract, pipeline.zone, reference, domains)


def examine(pipeline: Pipeline, table: str, batches: Sequence[Batch], past: Past | None = None) -> list[Examined]:
    """Judge batches of one table against its contract and suite, each on its own account, in their order.

    `past` says what the days before held; without it no batch is compared with them.
    """
    readable: list[_Readable] = []
    examined: dict[str, Examined] = {}
    for batch in batches:
        opened = _open(pipeline, table, batch)
        if isinstance(opened, Finding):
            examined[batch.id] = _rejected(pipeline, table, batch, opened)
        else:
            readable.append(opened)
    for judged in _judge(pipeline, table, readable, past or Past()):
        examined[judged.batch.id] = judged
    return [examined[batch.id] for batch in batches]


def _open(pipeline: Pipeline, table: str, batch: Batch) -> _Readable | Finding:
    """The batch under the contract's names, or why its rows need not be looked at."""
    contract = pipeline.tables[table]
    rows = in_contract_form(contract, batch.rows)
    mended: tuple[Mended, ...] = ()
    gap = schema_gap(contract, list(rows.columns))
    if gap.missing and Repair.RENAME in pipeline.contract.repairs:
        rows, renamed = rename_back(contract, rows, gap)
        mended = tuple(Mended(Repair.RENAME, what, Cause.SCHEMA_BREAK) for what in renamed)
        gap = schema_gap(contract, list(rows.columns))
    if gap.missing:
        facts: dict[str, object] = {"missing": list(gap.missing), "unknown": list(gap.unknown)}
        return Finding(Cause.SCHEMA_BREAK, Remedy.QUARANTINE_BATCH, f"columns: {gap}", facts, "columns", True)
    if len(rows) < contract.rows_min:
        summary = f"expected at least {contract.rows_min} rows, found {len(rows)}"
        return Finding(Cause.VOLUME_ANOMALY, Remedy.QUARANTINE_BATCH, summary, {"rows": len(rows)}, "least rows", True)
    return _Readable(batch, mended, rows[list(contract.columns)], gap.unknown)


def _rejected(pipeline: Pipeline, table: str, batch: Batch, finding: Finding) -> Examined:
    nothing = arrow_schema(pipeline, table).empty_table()
    check = Check(finding.check, "critical", len(batch.rows))
    bad = dict.fromkeys(range(len(batch.rows)), finding.summary)
    return Examined(batch, nothing, bad, (), (finding,), finding.summary, (check,))


def _judge(pipeline: Pipeline, table: str, readable: Sequence[_Readable], past: Past) -> list[Examined]:
    """Cast, mend and judge all rows at once, then give an account of each batch."""
    if not readable:
        return []
    sheet = _spread(rules_of(pipeline, table), readable)
    allowed = pipeline.contract.repairs
    if Repair.CAST in allowed:
        recast(sheet)
    if Repair.CONVERT in allowed:
        convert(sheet)
    if Repair.IMPUTE in allowed:
        impute(sheet)
    row_checks.check_types(sheet)
    row_checks.check_zones(sheet)
    row_checks.check_day(sheet)
    row_checks.check_composed(sheet)
    row_checks.check_determined(sheet)
    row_checks.check_domains(sheet)
    row_checks.check_categories(sheet)
    suite = pipeline.suite_file(table)
    judged = judge_rows(suite, sheet.rows) if suite is not None else []
    for expectation in judged:
        mask = np.zeros(len(sheet.place), dtype=bool)
        mask[list(expectation.rows)] = True
        sheet.refuse(expectation.expectation, mask, expectation.columns, expectation.severity)
    again = row_checks.check_duplicates(sheet)
    return [
        _examined(arrow_schema(pipeline, table), each, ruling)
        for each, ruling in zip(readable, account(sheet, judged, again, past), strict=True)
    ]


def _examined(schema: pa.Schema, readable: _Readable, ruling: Ruling) -> Examined:
    batch = readable.batch
    checks = (*ruling.checks, *_added(readable))
    if ruling.rejected is not None:
        bad = {place: ruling.bad.get(place, ruling.rejected) for place in range(len(batch.rows))}
        return Examined(batch, schema.empty_table(), bad, (), ruling.findings, ruling.rejected, checks)
    good = ruling.good.assign(**{BATCH_DAY: batch.day})
    rows = pa.Table.from_pandas(good, schema=schema, preserve_index=False).replace_schema_metadata(None)
    return Examined(batch, rows, ruling.bad, tuple(map(str, ruling.repairs)), ruling.findings, None, checks)


def _added(readable: _Readable) -> list[Check]:
    """Columns that nobody asked for are left out, and that is worth a remark."""
    return [Check(f"unknown column: {name}", "info", len(readable.rows)) for name in readable.unknown]


def _spread(rules: Rules, readable: Sequence[_Readable]) -> Sheet:
    import pandas as pd

    text = pd.concat([each.rows for each in readable], ignore_index=True)
    place = np.repeat(np.arange(len(readable)), [len(each.rows) for each in readable])
    mended = [list(each.mended) for each in readable]
    return Sheet(rules, [each.batch for each in readable], place, text, cast_rows(rules.table, text), mended)
