"""The stores of one pipeline, opened for one writer: the lock of its lake is held until they are closed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

from prefect.runtime import flow_run

from healing.incident import Incident
from tasks.config.pipeline import Pipeline
from tasks.config.settings import Settings
from tasks.ingestion.stores import Stores
from tasks.lake.write_locks import WriteLock, write_lock
from tasks.ledger.store import Ledger
from tasks.runtime.alerts import alert
from tasks.runtime.events import emit


@contextmanager
def opened(config: Pipeline, settings: Settings) -> Iterator[Stores]:
    """Lake, quarantine and ledger of the pipeline; waits while another process of this machine has them open."""
    lake_root = settings.lake_root(config.name)
    with write_lock(lake_root, WriteLock.INGEST), Ledger(settings.ledger_dsn) as ledger:
        yield Stores(
            config,
            lake_root,
            settings.quarantine_root(config.name),
            ledger,
            emit,
            partial(_call_person, settings),
            flow_run.id,
        )


def _call_person(settings: Settings, incident: Incident, reason: str) -> None:
    alert(incident, reason, datetime.now(UTC), file=settings.alerts_file, urls=settings.alert_urls)
