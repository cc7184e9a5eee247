"""The lake, the quarantine and the ledger of one pipeline, opened for one writer."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from prefect.runtime import flow_run

from healing.evidence import Evidence
from healing.incident import Cause, Incident, Remedy
from healing.policy import DEFAULT_REMEDIES
from tasks.config.alert_routing import AlertRouting
from tasks.config.pipeline import Pipeline
from tasks.config.settings import Settings
from tasks.ingestion.data_docs import BatchSummary
from tasks.ingestion.validation.findings import BatchFinding
from tasks.lake.lake_root import LakeRoot
from tasks.lake.lake_table import LakeTable
from tasks.lake.write_locks import LOCK_SECONDS_MAX, WriteLock, write_lock
from tasks.ledger.store import Ledger
from tasks.runtime.alerts import alert
from tasks.runtime.disabled_remedies import disabled_remedies
from tasks.runtime.events import EventName, emit

OBSERVER = "ingest"

Emit = Callable[[EventName, str, Mapping[str, object]], None]
Notify = Callable[[Incident, str], object]


class Stores:
    """What ingestion reads and writes for one pipeline, and how it emits events and notifies people.

    `summaries` collects one entry per validated batch of this run, for the page that shows them. Not a dataclass:
    Prefect searches every field of one that a task gets for futures, which took longer than all data of a year.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        lake_root: LakeRoot,
        quarantine_root: Path,
        ledger: Ledger,
        emit: Emit,
        notify: Notify,
        run_id: str | None = None,
        disabled: frozenset[Remedy] = frozenset(),
    ) -> None:
        self.pipeline = pipeline
        self.lake_root = lake_root
        self.quarantine_root = quarantine_root
        self.ledger = ledger
        self.emit = emit
        self.notify = notify
        self.run_id = run_id
        self._disabled = disabled
        self._policy = pipeline.policy.without(disabled)
        self.summaries: list[BatchSummary] = []
        self._open_tables: dict[str, LakeTable] = {}

    def remedies(self, cause: Cause) -> tuple[Remedy, ...]:
        """What the pipeline's policy allows for `cause`, without what a drill has disabled."""
        return self._policy.remedies.get(cause, ())

    def forbids(self, remedy: Remedy, cause: Cause) -> bool:
        """Whether a drill has disabled the remedy, or policy leaves it out although it is a default of the cause."""
        left_out = remedy in DEFAULT_REMEDIES.get(cause, ()) and remedy not in self.remedies(cause)
        return remedy in self._disabled or left_out

    def lake(self, table: str) -> LakeTable:
        """One of the pipeline's tables, or its features. It stays open, so that later reads cover new commits only."""
        if table not in self._open_tables:
            known = self.pipeline.tables.get(table)
            key = (self.pipeline.key,) if known is None else known.key
            self._open_tables[table] = LakeTable(self.lake_root, table, key)
        return self._open_tables[table]

    def evidence(self, finding: BatchFinding, subject: str) -> Evidence:
        """The finding as evidence of an incident about `subject`."""
        return Evidence(
            self.pipeline.name, finding.cause, subject, OBSERVER, datetime.now(UTC), finding.summary, finding.facts
        )


@contextmanager
def open_stores(pipeline: Pipeline, settings: Settings, *, seconds_max: float = LOCK_SECONDS_MAX) -> Iterator[Stores]:
    """The stores of the pipeline, for one writer; waits while another process of this machine has them open.

    Conflict after `seconds_max`.
    """
    lake_root = settings.lake_root(pipeline.name)
    with write_lock(lake_root, WriteLock.INGEST, seconds_max), Ledger(settings.ledger_dsn) as ledger:
        yield Stores(
            pipeline,
            lake_root,
            settings.quarantine_root(pipeline.name),
            ledger,
            emit,
            partial(_notify_people, settings, pipeline.alert_routing),
            flow_run.id,
            disabled_remedies(settings.home),
        )


def _notify_people(settings: Settings, routing: AlertRouting, incident: Incident, reason: str) -> None:
    alert(settings, incident, reason, datetime.now(UTC), routing)
