"""Keep what was stored small and readable: join the lake's files, and delete what nobody may want again."""

from contextlib import ExitStack

import structlog
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, ConfigDict

from healing.errors import UsageError
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import load_settings
from tasks.ingestion.open_stores import opened
from tasks.ingestion.stores import Stores
from tasks.lake import maintenance
from tasks.runtime.file_locks import exclusive

log = structlog.get_logger(__name__)

_OTHER_WRITERS = ("predictions.lock", "checks.lock")  # of the tables that ingest does not write


class TableKept(BaseModel):
    """What was done to one table."""

    model_config = ConfigDict(frozen=True)

    table: str
    files_joined: int
    files_written: int
    files_deleted: int
    versions_pinned: tuple[int, ...]


class MaintainReport(BaseModel):
    """What one run did."""

    model_config = ConfigDict(frozen=True)

    pipeline: str
    tables: tuple[TableKept, ...]


@flow(name="maintain", flow_run_name="maintain-{pipeline}", persist_result=False)
def maintain(pipeline: str, retention_days: int = 30) -> MaintainReport:
    """Join small files and delete old ones, of every table of the pipeline's lake.

    Every version of the last `retention_days` can be read afterwards, and without end those that a published model was
    trained on and the newest that the ledger names. Nothing is written to the lake meanwhile; predictions go on.
    """
    if retention_days < 0:
        raise UsageError(f"expected retention_days >= 0, found {retention_days}")
    settings = load_settings()
    config = load_pipeline(pipeline, settings.pipelines_dir)
    with ExitStack() as held:
        stores = held.enter_context(opened(config, settings))
        for lock in _OTHER_WRITERS:
            held.enter_context(exclusive(stores.lake_root / lock))
        pinned = maintenance.pinned_versions(config, stores.ledger, settings.release_root(pipeline))
        tables = maintenance.tables_of(stores.lake_root)
        kept = tuple(keep_small(stores, table, sorted(pinned.get(table, ())), retention_days) for table in tables)
    log.info("lake_kept_small", pipeline=pipeline, tables=[each.table for each in kept])
    return MaintainReport(pipeline=pipeline, tables=kept)


@task(task_run_name="keep-small-{table}", cache_policy=NO_CACHE, persist_result=False)
def keep_small(stores: Stores, table: str, pinned: list[int], retention_days: int) -> TableKept:
    """One table. Safe to repeat: the second time there is nothing to join and nothing to delete."""
    kept = maintenance.maintain_table(stores.lake_root, table, pinned, retention_days)
    return TableKept(
        table=table,
        files_joined=kept.files_joined,
        files_written=kept.files_written,
        files_deleted=kept.files_deleted,
        versions_pinned=kept.versions_pinned,
    )
