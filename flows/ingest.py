"""Bring the lake up to date: fetch, examine, repair or set aside, commit, and compute features.

One run may take in many days. Whatever is missing between the first and the last is taken in, in chunks, so that a
backfill costs little more than its data; a run that dies is finished by the next.
"""

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime

import structlog
from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.transactions import Transaction, transaction
from pydantic import BaseModel, ConfigDict

from healing.errors import UsageError
from tasks.config.pipeline import Pipeline, load_pipeline
from tasks.config.settings import Settings, load_settings
from tasks.ingestion import commit, features, watermark
from tasks.ingestion import repair_ledger as reconcile
from tasks.ingestion.data_docs import as_markdown, write_page
from tasks.ingestion.freshness import watch_freshness
from tasks.ingestion.open_stores import opened
from tasks.ingestion.source_failover import tell_return
from tasks.ingestion.sources import Lookup, SourceChain, open_sources
from tasks.ingestion.stores import Stores
from tasks.ledger.records import BatchRecord, BatchStatus
from tasks.runtime import crash_points as points

log = structlog.get_logger(__name__)


class RowCounts(BaseModel):
    """Where rows went: received = accepted + quarantined + duplicates."""

    model_config = ConfigDict(frozen=True)

    received: int
    accepted: int
    quarantined: int
    duplicates: int


class IngestReport(BaseModel):
    """What one run took in. `since` and `until` are the first and last day it looked at, None when there was none."""

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
    seconds: float


@flow(flow_run_name="ingest-{pipeline}", persist_result=False)
def ingest(
    pipeline: str,
    since: date | None = None,
    until: date | None = None,
    chunk_days: int = 31,
    again: bool = False,
) -> IngestReport:
    """Take in every missing day from `since` (the source's first) until `until` (its last complete one).

    With `again`, days that are in are asked for once more, and what the source corrected is taken. Features are
    computed again where a batch that they look back to came late or was corrected.
    `chunk_days` bounds how many days are held in memory. SourceUnavailable when no source answers, UsageError or
    ConfigError when the pipeline or a parameter is wrong; what was committed before stays.
    """
    settings = load_settings()
    config = load_pipeline(pipeline, settings.pipelines_dir)
    if chunk_days < 1 or (since and until and since > until):
        raise UsageError(f"expected since <= until and chunk_days >= 1, found {since}, {until} and {chunk_days}")
    started = time.monotonic()
    records: list[BatchRecord] = []
    feature_rows = 0
    with ExitStack() as held:
        chain = held.enter_context(_open_sources(config, settings))
        stores = held.enter_context(opened(config, settings))
        remedies = held.enter_context(ExitStack())
        days = watermark.days_to_look_at(stores, chain, since, until, remedies)
        records += reconcile.make_up_records(stores)
        for chunk in _chunks(days, chunk_days):
            with transaction():
                for table in config.tables:
                    wanted = chunk if again else watermark.missing_days(stores, table, chunk)
                    records += take_in(stores, chain, table, wanted) if wanted else []
                feature_rows += commit_features(stores, chunk_days)
        watermark.settle_incidents(stores, chain)
        watch_freshness(stores, datetime.now(UTC))
        tell_return(stores, chain)
    report = _report(pipeline, days, records, feature_rows, time.monotonic() - started)
    page = write_page(settings.reports_dir / pipeline / "ingest", pipeline, stores.examined)
    _show(report, as_markdown(stores.examined, page))
    return report


@task(task_run_name="take-in-{table}", cache_policy=NO_CACHE, persist_result=False)
def take_in(stores: Stores, chain: SourceChain, table: str, days: Sequence[date]) -> list[BatchRecord]:
    """Batches of one table, from the source into the lake. Safe to repeat: a batch that is in stays as it is."""
    return commit.take_in(stores, chain, table, days)


@take_in.on_rollback
def say_interrupted(interrupted: Transaction) -> None:
    """A later step of the chunk failed. Nothing is undone: each commit is whole, and the next run does the rest."""
    log.warning("chunk_interrupted", transaction=interrupted.key, kept="batches that are in; the next run goes on")


@task(cache_policy=NO_CACHE, persist_result=False)
def commit_features(stores: Stores, chunk_days: int) -> int:
    """Features of days whose batches are in, where they are missing or out of date; returns the number of rows."""
    rows = features.commit_features(stores, features.pending_days(stores), chunk_days)
    points.reached("ingest.features", rows=rows)
    return rows


def _open_sources(config: Pipeline, settings: Settings) -> SourceChain:
    lookup = Lookup(settings.addresses().model_dump(), os.environ)
    return open_sources(config, lookup, settings.sources_dir(config.name))


def _chunks(days: Sequence[date], size: int) -> list[Sequence[date]]:
    return [days[start : start + size] for start in range(0, len(days), size)]


def _report(
    pipeline: str, days: Sequence[date], records: Sequence[BatchRecord], feature_rows: int, seconds: float
) -> IngestReport:
    def having(status: BatchStatus) -> tuple[str, ...]:
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
        repaired=having(BatchStatus.REPAIRED),
        quarantined=having(BatchStatus.QUARANTINED),
        rejected=having(BatchStatus.REJECTED),
        seconds=round(seconds, 3),
    )


def _show(report: IngestReport, checks: Sequence[str]) -> None:
    log.info("ingest_finished", **report.model_dump(mode="json"))
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
