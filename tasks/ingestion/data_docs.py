"""The page of one ingest: every check that ran, the batches and rows that failed it, and every repair.

One HTML file for a person to open, which needs neither a server nor the network. It shows what validation found.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from healing.errors import StoreUnavailable
from releases.files import write_atomically
from tasks.ingestion.validation.findings import CheckResult
from tasks.ingestion.validation.validated_batch import ValidatedBatch
from tasks.ledger.records import BatchStatus
from tasks.runtime.pages import markdown_cell, render_page

TEMPLATE = "data_docs.html.jinja"


@dataclass(frozen=True)
class BatchSummary:
    """What validation found in one batch, without its rows.

    `accepted` counts the rows that may be committed; the ledger records which of these the lake had already.
    """

    batch_id: str
    table: str
    source: str
    status: BatchStatus
    received: int
    accepted: int
    quarantined: int
    repairs: tuple[str, ...]
    findings: tuple[str, ...]
    checks: tuple[CheckResult, ...]

    @classmethod
    def of(cls, validated: ValidatedBatch) -> "BatchSummary":
        return cls(
            batch_id=validated.batch.id,
            table=validated.batch.table,
            source=validated.batch.source,
            status=validated.status,
            received=validated.received,
            accepted=validated.good.num_rows,
            quarantined=len(validated.bad),
            repairs=validated.repairs,
            findings=tuple(f"{each.cause}, {each.remedy}: {each.summary}" for each in validated.findings),
            checks=validated.checks,
        )

    @property
    def failed(self) -> list[CheckResult]:
        """Checks that some of its rows, or the batch as a whole, failed."""
        return [check for check in self.checks if check.failed or check.examples]

    @property
    def unremarkable(self) -> bool:
        """Whether nothing failed and nothing was repaired. Failed `info` checks appear in the list of all checks."""
        failed = any(check.severity != "info" for check in self.failed)
        return not (failed or self.repairs or self.findings or self.status is BatchStatus.REJECTED)

    @property
    def silent_repairs(self) -> list[str]:
        """Repairs that no finding names."""
        return [repair for repair in self.repairs if not any(repair in finding for finding in self.findings)]


@dataclass(frozen=True)
class CheckTotal:
    """One check over all batches of a table."""

    name: str
    severity: str
    batches: int
    batches_failed: int
    rows_failed: int


def totals(batches: Iterable[BatchSummary]) -> list[CheckTotal]:
    """Every check that ran, sorted by the number of rows that failed it, largest first."""
    found: dict[tuple[str, str], list[CheckResult]] = {}
    for batch in batches:
        for check in batch.checks:
            found.setdefault((check.name, check.severity), []).append(check)
    counted = [
        CheckTotal(
            name=name,
            severity=severity,
            batches=len(checks),
            batches_failed=sum(1 for check in checks if check.failed or check.examples),
            rows_failed=sum(check.failed for check in checks),
        )
        for (name, severity), checks in found.items()
    ]
    return sorted(counted, key=lambda total: (-total.rows_failed, -total.batches_failed, total.name))


def write_page(folder: Path, pipeline: str, batches: Sequence[BatchSummary]) -> Path | None:
    """Write the page of these batches into `folder`, named by their days; returns its path, None without batches.

    A page of the same days is replaced. StoreUnavailable when it cannot be written.
    """
    if not batches:
        return None
    days = sorted(batch.batch_id.rpartition("/")[2] for batch in batches)
    path = folder / f"{days[0]}_{days[-1]}.html"
    try:
        write_atomically(path, render(pipeline, batches).encode())
    except OSError as exc:
        raise StoreUnavailable(f"cannot write {path}: {exc}; free space or fix access") from exc
    return path


def render(pipeline: str, batches: Sequence[BatchSummary]) -> str:
    """The page as HTML; every text that a source sent is escaped."""
    tables: dict[str, list[BatchSummary]] = {}
    for batch in batches:
        tables.setdefault(batch.table, []).append(batch)
    counted = {name: totals(each) for name, each in tables.items()}
    return render_page(Path(__file__).parent, TEMPLATE, pipeline=pipeline, tables=tables, totals=counted)


def as_markdown(batches: Sequence[BatchSummary], page: Path | None, rows_max: int = 50) -> list[str]:
    """Lines for Prefect's artifact: the batches with a failed check or a repair, and a link to the page."""
    shown = [batch for batch in batches if not batch.unremarkable]
    lines = [f"Every check of this run: [{page.name}]({page.as_uri()})", ""] if page is not None else []
    if shown:
        lines += ["| batch | status | rows | quarantined | findings |", "|---|---|---:|---:|---|"]
    for batch in shown[:rows_max]:
        checks = [f"{check.name} ({check.failed})" for check in batch.failed if check.failed]
        found = markdown_cell("; ".join([*batch.findings, *batch.silent_repairs, *checks]))
        lines.append(f"| {batch.batch_id} | {batch.status} | {batch.received} | {batch.quarantined} | {found} |")
    if len(shown) > rows_max:
        lines += ["", f"… and {len(shown) - rows_max} more, on the page."]
    return lines
