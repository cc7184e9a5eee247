"""Stores and sources for one trial: the sources are folders of files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tasks.config.pipeline import Pipeline
from tasks.config.sources_section import FilesEndpoint
from tasks.ingestion.stores import Stores
from tasks.ledger.store import Ledger


@contextmanager
def stores_at(
    pipeline: Pipeline, place: Path, sources: Sequence[str], format_: str = "csv", lake: Path | None = None
) -> Iterator[Stores]:
    """Stores below `place`, for the pipeline with `sources`, each a folder of that name; `lake` may be elsewhere."""
    endpoints = tuple(
        FilesEndpoint(
            name=name,
            kind="files",
            url=str(place / name),
            tables={table: f"{table}/{{day}}.{format_}" for table in pipeline.tables},
            attempts=1,
        )
        for name in sources
    )
    with Ledger(f"sqlite:///{place / 'ledger.db'}") as ledger:
        yield Stores(
            pipeline=pipeline.model_copy(update={"sources": endpoints}),
            lake_root=lake or place / "lake",
            quarantine_root=place / "quarantine",
            ledger=ledger,
            emit=lambda *_: None,
            notify=lambda *_: None,
        )


def write(path: Path, content: bytes) -> None:
    """Write one day's file of one source."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
