"""Keep the lake small and readable: compact small files, and delete those that no reader needs any more."""

import structlog
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, ConfigDict

from healing.errors import UsageError
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import load_settings
from tasks.lake.lake_root import tables_of
from tasks.lake.maintenance import MaintainedTable, maintain_table, pinned_versions
from tasks.lake.write_locks import all_write_locks
from tasks.ledger.store import Ledger
from tasks.runtime.traces import observed, observed_task

log = structlog.get_logger(__name__)


class MaintainReport(BaseModel):
    """What one run did to each table."""

    model_config = ConfigDict(frozen=True)

    pipeline: str
    tables: tuple[MaintainedTable, ...]


@flow(name="maintain", flow_run_name="maintain-{pipeline}", persist_result=False)
@observed
def maintain(pipeline: str, retention_days: int = 30) -> MaintainReport:
    """Compact small files and delete old ones, in every table of the pipeline's lake.

    Every version of the last `retention_days` stays readable. Versions that a published model was trained on, and the
    newest that the ledger names, stay readable without a time limit. Nothing writes to the lake meanwhile; predictions
    continue.
    """
    if retention_days < 0:
        raise UsageError(f"expected retention_days >= 0, found {retention_days}")
    settings = load_settings()
    config = load_pipeline(pipeline, settings.pipelines_dir)
    lake_root = settings.lake_root(pipeline)
    with all_write_locks(lake_root), Ledger(settings.ledger_dsn) as ledger:
        pinned = pinned_versions(config, ledger, settings.release_root(pipeline))
        tables = tuple(
            _maintain_table(lake_root, table, sorted(pinned.get(table, ())), retention_days)
            for table in tables_of(lake_root)
        )
    log.info("lake_maintained", pipeline=pipeline, tables=[each.table for each in tables])
    return MaintainReport(pipeline=pipeline, tables=tables)


_maintain_table = task(
    name="maintain-table", task_run_name="maintain-{table}", cache_policy=NO_CACHE, persist_result=False
)(observed_task(maintain_table))  # safe to repeat: the second time there is nothing to compact and nothing to delete
