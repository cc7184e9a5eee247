"""The page of one ingest: every check that ran, on which batches, what it kept out, and what was mended.

One file without a server or the network, for a person to open; what it shows was found while the batches were examined.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.ingestion.validate import Examined
from tasks.ingestion.validation.finding import Check

TEMPLATE = "data_docs.html.jinja"


@dataclass(frozen=True)
class BatchChecks:
    """What was found of one batch, without its rows."""

    batch_id: str
    table: str
    source: str
    received: int
    accepted: int
    quarantined: int
    rejected: str | None
    repairs: tuple[str, ...]
    findings: tuple[str, ...]
    checks: tuple[Check, ...]

    @classmethod
    def of(cls, judged: Examined) -> "BatchChecks":
        """`accepted` counts rows that may go in; those that the lake has already are told by the ledger."""
        return cls(
            batch_id=judged.batch.id,
            table=judged.batch.table,
            source=judged.batch.source,
            received=judged.received,
            accepted=judged.good.num_rows,
            quarantined=len(judged.bad),
            rejected=judged.rejected,
            repairs=judged.repairs,
            findings=tuple(f"{finding.cause}, {finding.remedy}: {finding.summary}" for finding in judged.findings),
            checks=judged.checks,
        )

    @property
    def verdict(self) -> str:
        """In one word, as in the ledger."""
        if self.rejected is not None:
            return "rejected"
        if self.quarantined:
            return "quarantined"
        return "repaired" if self.repairs else "accepted"

    @property
    def failed(self) -> list[Check]:
        """Checks that some of its rows, or the batch as a whole, did not pass."""
        return [check for check in self.checks if check.failed or check.examples]

    @property
    def plain(self) -> bool:
        """Whether there is nothing to tell; what is only worth a remark stands in the list of all checks."""
        failed = any(check.severity != "info" for check in self.failed)
        return not (failed or self.repairs or self.findings or self.rejected)

    @property
    def silent_repairs(self) -> list[str]:
        """Repairs that no incident tells of."""
        return [repair for repair in self.repairs if not any(repair in finding for finding in self.findings)]


@dataclass(frozen=True)
class CheckTotal:
    """One check over all batches of a table."""

    name: str
    severity: str
    batches: int
    batches_failed: int
    rows_failed: int


def totals(batches: Iterable[BatchChecks]) -> list[CheckTotal]:
    """Every check that ran, those that kept most rows out first."""
    found: dict[tuple[str, str], list[Check]] = {}
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


def write_page(folder: Path, pipeline: str, batches: Sequence[BatchChecks]) -> Path | None:
    """Write the page of these batches into `folder`, named by their days; returns its path, None without batches.

    The same days again replace it. OSError when it cannot be written.
    """
    if not batches:
        return None
    days = sorted(batch.batch_id.rpartition("/")[2] for batch in batches)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{days[0]}_{days[-1]}.html"
    path.write_text(render(pipeline, batches), encoding="utf-8")
    return path


def render(pipeline: str, batches: Sequence[BatchChecks]) -> str:
    """The page; everything that a source sent is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    tables: dict[str, list[BatchChecks]] = {}
    for batch in batches:
        tables.setdefault(batch.table, []).append(batch)
    return environment.get_template(TEMPLATE).render(
        pipeline=pipeline, tables=tables, totals={name: totals(each) for name, each in tables.items()}
    )


def as_markdown(batches: Sequence[BatchChecks], page: Path | None, rows_max: int = 50) -> list[str]:
    """What there is to tell, for Prefect's artifact: the batches that were not plain, and where the page is."""
    told = [batch for batch in batches if not batch.plain]
    lines = [f"Every check of this run: [{page.name}]({page.as_uri()})", ""] if page is not None else []
    if told:
        lines += ["| batch | verdict | rows | kept out | what was found |", "|---|---|---:|---:|---|"]
    for batch in told[:rows_max]:
        checks = [f"{check.name} ({check.failed})" for check in batch.failed if check.failed]
        said = "; ".join([*batch.findings, *batch.silent_repairs, *checks]).replace("|", "/")
        lines.append(f"| {batch.batch_id} | {batch.verdict} | {batch.received} | {batch.quarantined} | {said} |")
    if len(told) > rows_max:
        lines += ["", f"… and {len(told) - rows_max} more, on the page."]
    return lines
