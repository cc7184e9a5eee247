"""What becomes of the rows that a source sent: good ones typed, bad ones with a reason, and what was noticed.

Nothing is stored here. Batches of many days are examined together, because Great Expectations costs about as much for a
month as for a day; every judgement is still made, and counted, batch by batch.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from healing.incident import Cause, Remedy
from tasks.contract import BATCH_DAY, Typed, add_reason, cast_rows, schema_gap
from tasks.expectations import judge_rows
from tasks.pipeline import Pipeline
from tasks.repair import rename_back
from tasks.source_form import in_contract_form
from tasks.sources import Batch

if TYPE_CHECKING:
    import pandas as pd

_ARROW = {
    "string": pa.string(),
    "double": pa.float64(),
    "long": pa.int64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a batch that is an incident, and what the contract does about it."""

    cause: Cause
    remedy: Remedy
    summary: str
    facts: dict[str, object]


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

    @property
    def received(self) -> int:
        return len(self.batch.rows)

    @property
    def reasons(self) -> dict[str, int]:
        """How many rows each reason keeps out."""
        return dict(Counter(self.bad.values()))


def arrow_schema(pipeline: Pipeline, table: str) -> pa.Schema:
    """The table's columns in the lake: the contract's, and the day of the batch that brought the row."""
    fields = [(name, _ARROW[kind]) for name, kind in pipeline.tables[table].columns.items()]
    return pa.schema([*fields, (BATCH_DAY, pa.date32())])


def examine(pipeline: Pipeline, table: str, batches: Sequence[Batch]) -> list[Examined]:
    """Judge batches of one table against its contract and suite, each on its own account, in their order."""
    import pandas as pd

    readable: list[tuple[Batch, tuple[str, ...], pd.DataFrame]] = []
    examined: dict[str, Examined] = {}
    for batch in batches:
        rows, repairs = _repair(pipeline, table, batch)
        gap = schema_gap(pipeline.tables[table], list(rows.columns))
        if gap.missing:
            facts: dict[str, object] = {"missing": list(gap.missing), "unknown": list(gap.unknown)}
            finding = Finding(Cause.SCHEMA_BREAK, Remedy.QUARANTINE_BATCH, f"columns {gap}", facts)
            examined[batch.id] = _rejected(pipeline, table, batch, f"columns: {gap}", finding)
        elif len(rows) < pipeline.tables[table].rows_min:
            summary = f"expected at least {pipeline.tables[table].rows_min} rows, found {len(rows)}"
            finding = Finding(Cause.VOLUME_ANOMALY, Remedy.QUARANTINE_BATCH, summary, {"rows": len(rows)})
            examined[batch.id] = _rejected(pipeline, table, batch, summary, finding)
        else:
            readable.append((batch, repairs, rows))
    for judged in _judge(pipeline, table, readable):
        examined[judged.batch.id] = judged
    return [examined[batch.id] for batch in batches]


def _repair(pipeline: Pipeline, table: str, batch: Batch) -> tuple["pd.DataFrame", tuple[str, ...]]:
    contract = pipeline.tables[table]
    rows = in_contract_form(contract, batch.rows)
    gap = schema_gap(contract, list(rows.columns))
    if not gap.missing or "rename" not in pipeline.contract.repairs:
        return rows, ()
    return rename_back(contract, rows, gap)


def _rejected(pipeline: Pipeline, table: str, batch: Batch, reason: str, finding: Finding) -> Examined:
    nothing = arrow_schema(pipeline, table).empty_table()
    return Examined(batch, nothing, dict.fromkeys(range(len(batch.rows)), reason), (), (finding,), reason)


def _judge(
    pipeline: Pipeline, table: str, readable: Sequence[tuple[Batch, tuple[str, ...], "pd.DataFrame"]]
) -> list[Examined]:
    """Cast and judge all rows at once, then cut them into their batches again."""
    import pandas as pd

    if not readable:
        return []
    contract = pipeline.tables[table]
    together = pd.concat([rows[list(contract.columns)] for _, _, rows in readable], ignore_index=True)
    days = pd.Series([batch.day for batch, _, rows in readable for _ in range(len(rows))], dtype=object)
    typed = cast_rows(contract, together)
    local_days = typed.rows[contract.event_time].dt.tz_convert(pipeline.zone).dt.date
    elsewhere = local_days.notna() & (local_days != days)
    reasons = add_reason(typed.reasons, elsewhere, f"{contract.event_time} is not on the batch's day")
    critical = pd.Series("", index=reasons.index, dtype=object)
    suite = pipeline.suite_file(table)
    for broken in judge_rows(suite, typed.rows) if suite is not None else []:
        broke = pd.Series(reasons.index.isin(broken.rows), index=reasons.index)
        if broken.severity != "info":
            reasons = add_reason(reasons, broke, broken.expectation)
        if broken.severity == "critical":
            critical = add_reason(critical, broke, broken.expectation)
    found = []
    start = 0
    for batch, repairs, rows in readable:
        own = slice(start, start + len(rows))
        start += len(rows)
        part = Typed(typed.rows.iloc[own], reasons.iloc[own], typed.missing.iloc[own])
        found.append(_account(pipeline, table, batch, repairs, part, max(critical.iloc[own], default="")))
    return found


def _account(
    pipeline: Pipeline, table: str, batch: Batch, repairs: tuple[str, ...], typed: Typed, critical: str
) -> Examined:
    """One batch's good rows, bad rows and findings."""
    findings = []
    if repairs:
        summary = "; ".join(repairs)
        findings.append(Finding(Cause.SCHEMA_BREAK, Remedy.REPAIR_BATCH, summary, {"repairs": list(repairs)}))
    if critical:
        share = float((typed.reasons != "").mean())
        finding = Finding(Cause.BAD_ROWS, Remedy.QUARANTINE_BATCH, f"critical: {critical}", {"bad_share": share})
        return _rejected(pipeline, table, batch, f"critical: {critical}", finding)
    findings += _shares(pipeline, typed)
    good = (typed.reasons == "").to_numpy()
    schema = arrow_schema(pipeline, table)
    kept = typed.rows[good].assign(**{BATCH_DAY: batch.day})
    bad = {place: reason for place, reason in enumerate(typed.reasons) if reason}
    rows = pa.Table.from_pandas(kept, schema=schema, preserve_index=False).replace_schema_metadata(None)
    return Examined(batch, rows, bad, repairs, tuple(findings))


def _shares(pipeline: Pipeline, typed: Typed) -> list[Finding]:
    """Too many missing values, or too many bad rows for other reasons. A few are set aside and only counted."""
    rules = pipeline.contract
    shares = {name: float(share) for name, share in typed.missing.mean().items() if share > rules.max_null_share}
    if shares:
        worst = max(shares, key=lambda name: shares[name])
        summary = f"{worst}: expected at most {rules.max_null_share:.1%} missing values, found {shares[worst]:.1%}"
        return [Finding(Cause.NULL_SPIKE, Remedy.QUARANTINE_BATCH, summary, {"null_shares": shares})]
    bad_share = float((typed.reasons != "").mean()) if len(typed.reasons) else 0.0
    if bad_share > rules.max_bad_share:
        summary = f"expected at most {rules.max_bad_share:.1%} bad rows, found {bad_share:.1%}"
        return [Finding(Cause.BAD_ROWS, Remedy.QUARANTINE_BATCH, summary, {"bad_share": bad_share})]
    return []
