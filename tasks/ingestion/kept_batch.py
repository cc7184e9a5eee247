"""A batch read again from the bytes that quarantine keeps."""

import io
import zipfile
from dataclasses import replace

from tasks.config.pipeline import Pipeline
from tasks.config.sources_section import FilesEndpoint
from tasks.ingestion.quarantine import QuarantineNote
from tasks.ingestion.sources import Batch
from tasks.ingestion.sources.assembly import Assembly
from tasks.ingestion.sources.document import Document


def read_batch(pipeline: Pipeline, note: QuarantineNote, content: bytes, suffix: str) -> Batch:
    """The batch as its source gave it, from the bytes in quarantine."""
    nobody = FilesEndpoint(name=note.source, kind="files", url=".")  # the source may have left the pipeline since
    endpoint = next((source for source in pipeline.sources if source.name == note.source), nobody)
    together = Assembly(endpoint)
    for name, part in _members(content, suffix):
        records = getattr(endpoint, "records", None)
        document = Document(endpoint, f"quarantine/{note.batch_id}", name, part, records=records)
        together.add(document, document.rows())
    return replace(together.batch(note.table, note.day), content=content, suffix=suffix)


def _members(content: bytes, suffix: str) -> list[tuple[str, bytes]]:
    if suffix != "zip":
        return [(f"original.{suffix}", content)]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in sorted(archive.namelist())]
