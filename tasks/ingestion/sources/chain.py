"""The pipeline's sources in their order, each behind its circuit, opened and asked."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

from healing.errors import SourceUnavailable
from tasks.config.pipeline import Pipeline, Table
from tasks.config.sources_section import FilesEndpoint, HttpEndpoint, Source, SqlEndpoint
from tasks.ingestion.sources.address import Lookup, shown
from tasks.ingestion.sources.batch import Batch, Days, Reader
from tasks.ingestion.sources.circuit import KeptCircuit
from tasks.ingestion.sources.client import CONNECTIONS_MAX
from tasks.ingestion.sources.retry import Patience


class OpenSource:
    """One source, ready to be asked."""

    def __init__(self, name: str, reader: Reader, patience: Patience) -> None:
        self.name = name
        self._reader = reader
        self._patience = patience

    @property
    def answered(self) -> bool:
        """Whether it has, since it was opened."""
        return self._patience.answered

    def close(self) -> None:
        self._reader.close()

    def days(self) -> Days | None:
        """What it can serve, or None when nothing says so. SourceUnavailable."""
        return self._reader.days()

    def fetch(self, name: str, table: Table, days: Sequence[date]) -> Iterator[Batch]:
        """The batches of `days`, in order; SourceUnavailable at the first that it cannot give after all tries.

        While its circuit is open it is asked for one day alone, so that a probe that is answered opens the way for the
        others.
        """
        alone = 0 if self._patience.trusted else 1
        yield from (self._batch(name, table, day) for day in days[:alone])
        pool = ThreadPoolExecutor(CONNECTIONS_MAX, thread_name_prefix=f"source-{self.name}")
        try:
            yield from pool.map(lambda day: self._batch(name, table, day), days[alone:])
        finally:
            pool.shutdown(cancel_futures=True)

    def _batch(self, name: str, table: Table, day: date) -> Batch:
        return self._reader.read(name, table, day, self._patience.deadline())


class SourceChain:
    """The pipeline's sources in their order, and what went wrong with each since they were opened."""

    def __init__(self, sources: Sequence[OpenSource]) -> None:
        self._sources = list(sources)
        self._trouble: dict[str, SourceUnavailable] = {}
        self._left: set[str] = set()

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

    def up(self) -> list[OpenSource]:
        """Sources that may still be asked, best first."""
        return [source for source in self._sources if source.name not in self._left]

    def after(self, source: OpenSource) -> list[str]:
        """The name of the source that is asked after this one; empty when there is none."""
        names = [other.name for other in self.up()]
        return names[names.index(source.name) + 1 :][:1]

    def in_trouble(self, source: OpenSource) -> bool:
        """Whether it failed before, since this chain was opened."""
        return source.name in self._trouble

    def set_trouble(self, source: OpenSource, reason: SourceUnavailable, *, leave: bool) -> None:
        """Remember that it failed; with `leave` it is not asked again."""
        self._trouble[source.name] = reason
        if leave:
            self._left.add(source.name)

    def exhausted(self) -> SourceUnavailable:
        """The error for when no source is left: it says of each why."""
        reasons = "; ".join(str(reason) for reason in self._trouble.values())
        return SourceUnavailable(f"expected one of {len(self._sources)} sources to answer, found none: {reasons}")


def open_sources(pipeline: Pipeline, lookup: Lookup, state_dir: Path) -> SourceChain:
    """The pipeline's sources at their addresses; ConfigError names an address or a secret that is not known.

    `state_dir` is where circuits are kept between runs.
    """
    return SourceChain([open_source(pipeline, source, lookup, state_dir) for source in pipeline.sources])


def open_source(pipeline: Pipeline, source: Source, lookup: Lookup, state_dir: Path) -> OpenSource:
    """One of the pipeline's sources; connects to nothing yet."""
    address = shown(lookup.fill(source.name, source.url))
    circuit = KeptCircuit(state_dir / f"{source.name}.json", f"source {source.name} at {address}")
    patience = Patience(source, circuit)
    return OpenSource(source.name, _reader(pipeline, source, lookup, patience), patience)


def _reader(pipeline: Pipeline, source: Source, lookup: Lookup, patience: Patience) -> Reader:
    name = pipeline.batch_table
    match source:
        case HttpEndpoint():
            from tasks.ingestion.sources.http import HttpReader

            return HttpReader(source, lookup, patience)
        case FilesEndpoint():
            from tasks.ingestion.sources.files import FilesReader
            from tasks.ingestion.sources.whole_files import WholeFilesReader

            first = (name, pipeline.tables[name])
            pattern = source.tables.get(name, first[1].path).replace("{table}", name)
            files = FilesReader(source, lookup, patience, pipeline.zone, pattern)
            return WholeFilesReader(source, files, patience, pipeline.zone, first)
        case SqlEndpoint():
            from tasks.ingestion.sources.sql import SqlReader

            return SqlReader(source, lookup, patience, pipeline.zone, (name, pipeline.tables[name]))
