"""The pipeline's sources in their order, each behind its circuit."""

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

from healing.errors import SourceUnavailable
from tasks.config.pipeline import Pipeline
from tasks.config.sources_section import FilesEndpoint, HttpEndpoint, Source, SqlEndpoint
from tasks.config.table import Table
from tasks.ingestion.source_avoidance import avoided_seconds
from tasks.ingestion.sources.address import Lookup, without_secrets
from tasks.ingestion.sources.batch import Batch, Reader, ServedDays
from tasks.ingestion.sources.circuit import StoredCircuit
from tasks.ingestion.sources.client import CONNECTIONS_MAX
from tasks.ingestion.sources.retry import Retrier


class OpenSource:
    """One source, ready for requests."""

    def __init__(self, name: str, reader: Reader, retrier: Retrier) -> None:
        self.name = name
        self._reader = reader
        self._retrier = retrier
        self._seconds: list[float] = []
        self.rows_per_day: float | None = None  # of its batch table, if `days` found it out

    @property
    def answered(self) -> bool:
        """Whether it answered a request since it was opened."""
        return self._retrier.answered

    @property
    def seconds_per_batch(self) -> float | None:
        """The median time of the batches that it gave since it was opened; None if it gave none."""
        return statistics.median(self._seconds) if self._seconds else None

    def close(self) -> None:
        self._reader.close()

    def days(self) -> ServedDays | None:
        """The days that it can serve, or None when it does not report them. SourceUnavailable."""
        served = self._reader.days()
        self.rows_per_day = None if served is None else served.rows_per_day
        return served

    def row_counts(self, name: str, table: Table) -> Mapping[date, int] | None:
        """The number of rows by day, or None when it does not know them without reading each day. SourceUnavailable."""
        return self._reader.row_counts(name, table)

    def fetch(self, name: str, table: Table, days: Sequence[date]) -> Iterator[Batch]:
        """The batches of `days`, in order; SourceUnavailable at the first that it cannot give after all attempts.

        While its circuit is open, the first day is requested alone: a probe that is answered closes the circuit for the
        other days.
        """
        alone = 0 if self._retrier.circuit_closed else 1
        yield from (self._batch(name, table, day) for day in days[:alone])
        pool = ThreadPoolExecutor(CONNECTIONS_MAX, thread_name_prefix=f"source-{self.name}")
        try:
            yield from pool.map(lambda day: self._batch(name, table, day), days[alone:])
        finally:
            pool.shutdown(cancel_futures=True)

    def _batch(self, name: str, table: Table, day: date) -> Batch:
        started = time.monotonic()
        batch = self._reader.read(name, table, day, self._retrier.deadline())
        self._seconds.append(time.monotonic() - started)
        return batch


class SourceChain:
    """The pipeline's sources in their order, and why each failed since they were opened."""

    def __init__(self, sources: Sequence[OpenSource]) -> None:
        self._sources = list(sources)
        self._failures: dict[str, SourceUnavailable] = {}
        self._skipped: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for source in self._sources:
            source.close()

    def names(self) -> list[str]:
        """Every source's name, best first."""
        return [source.name for source in self._sources]

    def seconds_per_batch(self) -> dict[str, float]:
        """The median time per batch of each source that gave one."""
        times = {source.name: source.seconds_per_batch for source in self._sources}
        return {name: round(seconds, 3) for name, seconds in times.items() if seconds is not None}

    def rows_per_day(self) -> float | None:
        """The mean number of rows per day and table, as the first source that knows it says."""
        return next((source.rows_per_day for source in self._sources if source.rows_per_day is not None), None)

    def available(self) -> list[OpenSource]:
        """Sources that may still be used in this run, best first."""
        return [source for source in self._sources if source.name not in self._skipped]

    def after(self, source: OpenSource) -> list[str]:
        """The name of the source that is used after this one; empty when there is none."""
        names = [other.name for other in self.available()]
        return names[names.index(source.name) + 1 :][:1]

    def not_needed(self) -> list[str]:
        """The names of sources that were not asked, because one before them answered."""
        first = next((place for place, source in enumerate(self._sources) if source.answered), len(self._sources))
        behind = self._sources[first + 1 :]
        return [source.name for source in behind if not (source.answered or self.has_failed(source))]

    def has_failed(self, source: OpenSource) -> bool:
        """Whether it failed since the sources were opened."""
        return source.name in self._failures

    def mark_failed(self, source: OpenSource, reason: SourceUnavailable, *, skip: bool) -> None:
        """Record that it failed; with `skip` it is not used again."""
        self._failures[source.name] = reason
        if skip:
            self._skipped.add(source.name)

    def exhausted(self) -> SourceUnavailable:
        """The error for when no source is left, with the reason of each."""
        reasons = "; ".join(str(reason) for reason in self._failures.values())
        return SourceUnavailable(f"expected one of {len(self._sources)} sources to answer, found none: {reasons}")


def open_sources(pipeline: Pipeline, lookup: Lookup, state_dir: Path) -> SourceChain:
    """The pipeline's sources, avoided ones last; ConfigError names an address or a secret without a value.

    `state_dir` stores their circuits, and which are avoided, between runs. Large CSV files are converted there.
    """
    order = sorted(pipeline.sources, key=lambda source: avoided_seconds(state_dir, source.name) > 0)
    return SourceChain([open_source(pipeline, source, lookup, state_dir) for source in order])


def open_source(pipeline: Pipeline, source: Source, lookup: Lookup, state_dir: Path) -> OpenSource:
    """One of the pipeline's sources; makes no connection yet."""
    address = without_secrets(lookup.fill(source.name, source.url))
    circuit = StoredCircuit(state_dir / f"{source.name}.json", f"source {source.name} at {address}")
    retrier = Retrier(source, circuit)
    return OpenSource(source.name, _reader(pipeline, source, lookup, retrier, state_dir), retrier)


def _reader(pipeline: Pipeline, source: Source, lookup: Lookup, retrier: Retrier, state_dir: Path) -> Reader:
    name = pipeline.batch_table
    match source:
        case HttpEndpoint():
            from tasks.ingestion.sources.http import HttpReader

            return HttpReader(source, lookup, retrier)
        case FilesEndpoint():
            from tasks.ingestion.sources.files import FilesReader
            from tasks.ingestion.sources.whole_files import WholeFilesReader

            batch_table = (name, pipeline.tables[name])
            pattern = source.tables.get(name, batch_table[1].path).replace("{table}", name)
            files = FilesReader(source, lookup, retrier, pipeline.zone, pattern, state_dir)
            return WholeFilesReader(source, files, retrier, pipeline.zone, batch_table)
        case SqlEndpoint():
            from tasks.ingestion.sources.sql import SqlReader

            return SqlReader(source, lookup, retrier, pipeline.zone, (name, pipeline.tables[name]))
