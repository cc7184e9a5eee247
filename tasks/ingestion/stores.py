"""Where one pipeline's batches go, and who hears of them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from healing.evidence import Evidence
from healing.incident import Cause, Incident, Remedy
from healing.policy import DEFAULT_REMEDIES
from tasks.config.pipeline import Pipeline
from tasks.ingestion.data_docs import BatchChecks
from tasks.ingestion.validate import Finding
from tasks.lake.lake_table import LakeTable
from tasks.ledger.store import Ledger
from tasks.runtime.events import EventName

OBSERVER = "ingest"

Emit = Callable[[EventName, str, Mapping[str, object]], None]
CallPerson = Callable[[Incident, str], object]


class Stores:
    """The lake, the quarantine and the ledger of one pipeline, its policy, and its ways to be heard.

    `examined` collects what was found of the batches of this run, for the page that shows it. No dataclass: Prefect
    looks for futures in every field of one that is handed to a task, which took longer here than all of a year's data.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        lake_root: Path,
        quarantine_root: Path,
        ledger: Ledger,
        emit: Emit,
        call_person: CallPerson,
        run_id: str | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.lake_root = lake_root
        self.quarantine_root = quarantine_root
        self.ledger = ledger
        self.emit = emit
        self.call_person = call_person
        self.run_id = run_id
        self.examined: list[BatchChecks] = []
        self._open_tables: dict[str, LakeTable] = {}

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
