"""Where one pipeline's batches go, and who hears of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from healing.evidence import Evidence
from healing.incident import Cause, Incident, Remedy
from healing.policy import DEFAULT_REMEDIES
from tasks.data_docs import BatchChecks
from tasks.events import EventName
from tasks.intake import Finding
from tasks.lake import LakeTable
from tasks.ledger import Ledger
from tasks.pipeline import Pipeline

OBSERVER = "ingest"

Emit = Callable[[EventName, str, Mapping[str, object]], None]
CallPerson = Callable[[Incident, str], object]


@dataclass(frozen=True)
class Stores:
    """The lake, the quarantine and the ledger of one pipeline, its policy, and its ways to be heard.

    `examined` collects what was found of the batches of this run, for the page that shows it.
    """

    pipeline: Pipeline
    lake_root: Path
    quarantine_root: Path
    ledger: Ledger
    emit: Emit
    call_person: CallPerson
    run_id: str | None = None
    examined: list[BatchChecks] = field(default_factory=list, repr=False, compare=False)
    _open_tables: dict[str, LakeTable] = field(default_factory=dict, repr=False, compare=False)

    def remedies(self, cause: Cause) -> tuple[Remedy, ...]:
        """What the pipeline's policy allows against `cause`."""
        return self.pipeline.policy.get(cause, DEFAULT_REMEDIES.get(cause, ()))

    def lake(self, table: str) -> LakeTable:
        """One of the pipeline's tables, or its features. It stays open, so that only new commits are read each time."""
        if table not in self._open_tables:
            known = self.pipeline.tables.get(table)
            key = (self.pipeline.key,) if known is None else known.key
            self._open_tables[table] = LakeTable(self.lake_root, table, key)
        return self._open_tables[table]

    def evidence(self, finding: Finding, subject: str) -> Evidence:
        return Evidence(
            self.pipeline.name, finding.cause, subject, OBSERVER, datetime.now(UTC), finding.summary, finding.facts
        )
