"""The quarantine: rows and batches that were not accepted, as the original bytes with the reason.

One folder per batch: `original.*` as the source sent it, and `reason.json`, which is written last, so that a folder
with it is complete. `refused/<source>/` in that folder keeps what a source sent for the batch and no row was taken of.
"""

import io
import os
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from pydantic import AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field

from healing.errors import StoreUnavailable, UsageError
from tasks.config.pipeline import Pipeline
from tasks.config.sources_section import FilesEndpoint
from tasks.config.suggestion import did_you_mean
from tasks.ingestion.sources import Batch
from tasks.ingestion.sources.assembly import Assembly
from tasks.ingestion.sources.document import Document

ORIGINAL = "original.csv"
REASON = "reason.json"
REFUSAL = "refusal.json"


class RowRelease(BaseModel):
    """A person's decision to accept rows: who, why, when, and the positions of the rows."""

    model_config = ConfigDict(frozen=True)

    by: str
    why: str
    at: AwareDatetime
    rows: tuple[int, ...]


class QuarantineNote(BaseModel):
    """Why rows of a batch are in quarantine. `rows` maps a row's position in the original (from 0) to its reason."""

    model_config = ConfigDict(frozen=True)

    batch_id: str
    table: str
    day: date
    source: str
    received: int
    quarantined: int
    reasons: Mapping[str, int]
    rows: Mapping[int, str]
    releases: tuple[RowRelease, ...] = Field(
        default=(),
        validation_alias=AliasChoices("releases", "vouched"),  # the second is what older versions wrote
    )


class Refusal(BaseModel):
    """What a source sent for a batch and no row was taken of: `error` names the kind, `reason` says what was found."""

    model_config = ConfigDict(frozen=True)

    batch_id: str
    table: str
    day: date
    source: str
    error: str
    reason: str


def read_note(root: Path, batch_id: str) -> QuarantineNote:
    """Why rows of a batch are in quarantine; UsageError when none are."""
    path = root / batch_id / REASON
    if not path.is_file():
        known = [note.batch_id for note in read_notes(root)]
        raise UsageError(
            f"expected a batch in quarantine, found {batch_id!r}; `autopilot quarantine list` shows which there are"
            f"{did_you_mean(batch_id, known)}"
        )
    return QuarantineNote.model_validate_json(path.read_bytes())


def read_notes(root: Path) -> list[QuarantineNote]:
    """Every note in quarantine, oldest day first."""
    notes = [QuarantineNote.model_validate_json(path.read_bytes()) for path in root.glob(f"**/{REASON}")]
    return sorted(notes, key=lambda note: (note.day, note.batch_id))


def read_refusals(root: Path) -> list[Refusal]:
    """Everything that was refused and kept, oldest day first."""
    found = [Refusal.model_validate_json(path.read_bytes()) for path in root.glob(f"**/refused/*/{REFUSAL}")]
    return sorted(found, key=lambda refusal: (refusal.day, refusal.batch_id, refusal.source))


def original_file(root: Path, batch_id: str) -> Path:
    """The file with the batch's bytes as the source sent them; StoreUnavailable when it was removed."""
    found = sorted((root / batch_id).glob("original.*"))
    if not found:
        raise StoreUnavailable(
            f"expected the original of batch {batch_id} in {root / batch_id}, found none; restore it from a backup"
        )
    return found[0]


def read_original(pipeline: Pipeline, root: Path, note: QuarantineNote) -> Batch:
    """The batch as its source sent it, read again from the bytes in quarantine."""
    path = original_file(root, note.batch_id)
    suffix, content = path.name.removeprefix("original."), path.read_bytes()
    removed = FilesEndpoint(name=note.source, kind="files", url=".")  # the pipeline may not have this source any more
    endpoint = next((source for source in pipeline.sources if source.name == note.source), removed)
    together = Assembly(endpoint)
    for name, part in _members(content, suffix):
        records = getattr(endpoint, "records", None)
        document = Document(endpoint, f"quarantine/{note.batch_id}", name, part, records=records)
        together.add(document, document.rows())
    return replace(together.batch(note.table, note.day), original=content, suffix=suffix)


def keep_rows(root: Path, batch: Batch, note: QuarantineNote) -> Path:
    """Store the batch's bytes with the note; returns the folder. What the folder held for the batch is replaced."""
    folder = root / note.batch_id
    original = folder / f"original.{batch.suffix}"
    _replace(original, batch.content)
    _replace(folder / REASON, note.model_dump_json(indent=2).encode())
    for other in folder.glob("original.*"):
        if other != original:  # the previous revision came in another format
            other.unlink(missing_ok=True)
    return folder


def keep_refused(root: Path, content: bytes, suffix: str, refusal: Refusal) -> Path:
    """Store what a source sent with the reason of the refusal; an earlier refusal of the same source is replaced."""
    folder = root / refusal.batch_id / "refused" / refusal.source
    _replace(folder / f"original.{suffix or 'bin'}", content)
    _replace(folder / REFUSAL, refusal.model_dump_json(indent=2).encode())
    return folder


def keep_refused_batch(root: Path, batch: Batch, reason: str) -> Path:
    """Store a batch that breaks its contract as refused."""
    refusal = Refusal(
        batch_id=batch.id, table=batch.table, day=batch.day, source=batch.source, error="ContractBroken", reason=reason
    )
    return keep_refused(root, batch.content, batch.suffix, refusal)


def end_quarantine(root: Path, batch_id: str) -> None:
    """Delete note and bytes of a batch that has no bad rows now. The note goes first: without it there is no entry."""
    folder = root / batch_id
    try:
        (folder / REASON).unlink(missing_ok=True)
        for original in folder.glob("original.*"):
            original.unlink(missing_ok=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    except OSError as exc:
        raise StoreUnavailable(f"cannot clear {folder}: {exc}; fix access") from exc


def _members(content: bytes, suffix: str) -> list[tuple[str, bytes]]:
    """Name and bytes of each document of the batch."""
    if suffix != "zip":
        return [(f"original.{suffix}", content)]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in sorted(archive.namelist())]


def _replace(path: Path, content: bytes) -> None:
    """Write so that a crash leaves either the old or the new file, and no reader sees half of it.

    A half-written file has one fixed name, so the next write of the same file replaces it. StoreUnavailable when the
    disk fails.
    """
    half = path.with_name(f".{path.name}.half")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with half.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            half.replace(path)
        except BaseException:
            half.unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise StoreUnavailable(f"cannot write {path}: {exc}; free space or fix access") from exc
