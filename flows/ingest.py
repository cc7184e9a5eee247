"""Bring the lake up to date: fetch, validate, repair or quarantine, commit, and compute features.

One run may ingest many days. It ingests whatever is missing between the first and the last day, in chunks, so that a
backfill costs little more than its data. The next run completes a run that died.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime

import structlog
from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, ConfigDict

from healing.errors import UsageError
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import load_settings
from tasks.ingestion.batch_incidents import settle_incidents
from tasks.ingestion.data_docs import as_markdown, write_page
from tasks.ingestion.features import update_features
from tasks.ingestion.freshness import check_freshness
from tasks.ingestion.ingest_days import days_in_memory, days_to_ingest, grown_days, missing_days
from tasks.ingestion.ingest_progress import IngestProgress
from tasks.ingestion.ingest_table import ingest_table
from tasks.ingestion.repair_ledger import repair_ledger
from tasks.ingestion.run_record import failure_recorder, record_end, record_start
from tasks.ingestion.source_failover import report_return
from tasks.ingestion.sources import Lookup, open_sources
from tasks.ingestion.stores import open_stores
from tasks.ledger.pauses import refuse_while_paused
from tasks.ledger.records import BatchRecord, BatchStatus
from tasks.runtime.traces import observed, observed_task

log = structlog.get_logger(__name__)


class RowCounts(BaseModel):
    """Where rows went: received = accepted + quarantined + duplicates."""

    model_config = ConfigDict(frozen=True)

    received: int
    accepted: int
    quarantined: int
    duplicates: int


class IngestReport(BaseModel):
    """What one run ingested. `since` and `until` are the first and last day of its range, None when it was empty."""

    model_config = ConfigDict(frozen=True)

    pipeline: str
    since: date | None
    until: date | None
    batches: int
    rows: RowCounts
    feature_rows: int
    repaired: tuple[str, ...]
    quarantined: tuple[str, ...]
    rejected: tuple[str, ...]
    revised: tuple[str, ...]
    seconds: float


@flow(flow_run_name="ingest-{pipeline}", persist_result=False)
@observed
def ingest(
    pipeline: str,
    since: date | None = None,
    until: date | None = None,
    chunk_days: int | None = None,
    again: bool = False,
) -> IngestReport:
    """Ingest every missing day from `since` (the source's first) until `until` (its last complete one).

    A day of which a file with many days has more rows now is ingested again. With `again`, all days are requested once
    more, and corrections of the source are accepted. Features are computed again where a batch that they depend on came
    late or was corrected. `chunk_days` limits how many days are held in memory; by default as many as fit into
    AUTOPILOT_MEMORY_BYTES_MAX.

    PipelinePaused while the pipeline is paused, SourceUnavailable when no source answers, UsageError or ConfigError
    when the pipeline or a parameter is wrong; everything that was committed before stays.
    """
    settings = load_settings()
    config = load_pipeline(pipeline, settings.pipelines_dir)
    if (chunk_days is not None and chunk_days < 1) or (since and until and since > until):
        raise UsageError(f"expected since <= until and chunk_days >= 1, found {since}, {until} and {chunk_days}")
    refuse_while_paused(settings.ledger_dsn, pipeline)
    lookup = Lookup(settings.addresses().model_dump(), os.environ)
    started = time.monotonic()
    with (
        open_sources(config, lookup, settings.sources_dir(pipeline)) as chain,
        open_stores(config, settings) as stores,
        ExitStack() as remedies,
    ):
        record_start(stores.ledger, pipeline, stores.run_id)
        remedies.push(failure_recorder(stores.ledger, pipeline, stores.run_id))
        days = days_to_ingest(stores, chain, since, until, remedies)
        records = repair_ledger(stores)
        feature_rows, rows_per_day = 0, chain.rows_per_day()
        chunk_days = chunk_days or days_in_memory(config, rows_per_day, settings.memory_bytes_max)
        progress = IngestProgress(len(days), len(config.tables), rows_per_day)
        for chunk in _chunks(days, chunk_days):
            for table in config.tables:
                progress.show()
                changed = [*missing_days(stores, table, chunk), *grown_days(stores, chain, table, chunk)]
                wanted = chunk if again else sorted(changed)
                records += _ingest_table(stores, chain, table, wanted) if wanted else []
                progress.add(len(chunk))
            feature_rows += _update_features(stores, chunk_days)
        settle_incidents(stores, chain)
        check_freshness(stores, datetime.now(UTC))
        report_return(stores, chain)
        record_end(stores.ledger, pipeline, stores.run_id, len(records), chain.seconds_per_batch())
    report = _report(pipeline, days, records, feature_rows, time.monotonic() - started)
    page = write_page(settings.reports_dir / pipeline / "ingest", pipeline, stores.summaries)
    log.info("ingest_finished", **report.model_dump(mode="json"))
    _create_artifact(report, as_markdown(stores.summaries, page))
    return report


_ingest_table = task(task_run_name="ingest-{table}", cache_policy=NO_CACHE, persist_result=False)(
    observed_task(ingest_table)
)
_update_features = task(cache_policy=NO_CACHE, persist_result=False)(observed_task(update_features))


def _chunks(days: Sequence[date], size: int) -> Iterator[Sequence[date]]:
    return (days[start : start + size] for start in range(0, len(days), size))


def _report(
    pipeline: str, days: Sequence[date], records: Sequence[BatchRecord], feature_rows: int, seconds: float
) -> IngestReport:
    def with_status(status: BatchStatus) -> tuple[str, ...]:
        return tuple(record.batch_id for record in records if record.status is status)

    return IngestReport(
        pipeline=pipeline,
        since=days[0] if days else None,
        until=days[-1] if days else None,
        batches=len(records),
        rows=RowCounts(
            received=sum(record.received for record in records),
            accepted=sum(record.accepted for record in records),
            quarantined=sum(record.quarantined for record in records),
            duplicates=sum(record.duplicates for record in records),
        ),
        feature_rows=feature_rows,
        repaired=with_status(BatchStatus.REPAIRED),
        quarantined=with_status(BatchStatus.QUARANTINED),
        rejected=with_status(BatchStatus.REJECTED),
        revised=tuple(record.batch_id for record in records if record.revision > 1),
        seconds=round(seconds, 3),
    )


def _create_artifact(report: IngestReport, checks: Sequence[str]) -> None:
    """Show the counts and the failed checks of this run in Prefect."""
    rows = report.rows
    lines = [
        f"{report.batches} batches, days {report.since} to {report.until}, {report.seconds} s",
        "",
        "| received | accepted | quarantined | duplicates | feature rows |",
        "|---|---|---|---|---|",
        f"| {rows.received} | {rows.accepted} | {rows.quarantined} | {rows.duplicates} | {report.feature_rows} |",
        "",
        *checks,
    ]
    create_markdown_artifact(key=f"ingest-{report.pipeline}".replace("_", "-"), markdown="\n".join(lines))
