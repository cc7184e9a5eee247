"""Where rows and batches wait that were not let in: the original bytes, and why.

One folder a batch: `original` as the source sent it, and `reason.json`, whose presence says that the folder is whole.
Below it, `refused/<source>/` keeps what a source sent for the batch and another source gave well instead.
"""

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict

from healing.errors import StoreUnavailable, UsageError

ORIGINAL = "original.csv"
REASON = "reason.json"
REFUSAL = "refusal.json"


class Vouched(BaseModel):
    """Who let rows in after all, why, and which."""

    model_config = ConfigDict(frozen=True)

    by: str
    why: str
    at: AwareDatetime
    rows: tuple[int, ...]


class QuarantineNote(BaseModel):
    """Why rows of a batch were set aside. `rows` maps a row's place in the original (0 is the first) to its reason."""

    model_config = ConfigDict(frozen=True)

    batch_id: str
    table: str
    day: date
    source: str
    received: int
    quarantined: int
    reasons: Mapping[str, int]
    rows: Mapping[int, str]
    vouched: tuple[Vouched, ...] = ()


class Refusal(BaseModel):
    """What a source sent for a batch and nothing was taken of: `error` names the kind, `reason` says what was found."""

    model_config = ConfigDict(frozen=True)

    batch_id: str
    table: str
    day: date
    source: str
    error: str
    reason: str


def read_note(root: Path, batch_id: str) -> QuarantineNote:
    """Why rows of a batch were set aside; UsageError when none are."""
    path = root / batch_id / REASON
    if not path.is_file():
        raise UsageError(f"no batch {batch_id!r} in quarantine; `autopilot quarantine list` shows what is")
    return QuarantineNote.model_validate_json(path.read_bytes())


def original_file(root: Path, batch_id: str) -> Path:
    """Where the batch's bytes are, as the source sent them; StoreUnavailable when somebody took them away."""
    found = sorted((root / batch_id).glob("original.*"))
    if not found:
        raise StoreUnavailable(f"expected the original of batch {batch_id} in {root / batch_id}, found none")
    return found[0]


def read_original(root: Path, batch_id: str) -> tuple[str, bytes]:
    """What the bytes are (csv, json.gz, zip) and the bytes themselves."""
    path = original_file(root, batch_id)
    return path.name.removeprefix("original."), path.read_bytes()


def set_aside(root: Path, content: bytes, note: QuarantineNote, suffix: str = "csv") -> Path:
    """Keep the batch's bytes with the note; returns the folder. The same batch again replaces what was there.

    `suffix` says what the bytes are: csv, json.gz, or zip for several pages.
    """
    folder = root / note.batch_id
    original = folder / f"original.{suffix}"
    _replace(original, content)
    _replace(folder / REASON, note.model_dump_json(indent=2).encode())
    for other in folder.glob("original.*"):
        if other != original:  # what was kept before came in another format
            other.unlink(missing_ok=True)
    return folder


def withdraw(root: Path, batch_id: str) -> None:
    """End the quarantine of a batch of which nothing is bad now. The note goes first: it says that there is one."""
    folder = root / batch_id
    try:
        (folder / REASON).unlink(missing_ok=True)
        for original in folder.glob("original.*"):
            original.unlink(missing_ok=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    except OSError as exc:
        raise StoreUnavailable(f"cannot clear {folder}: {exc}; fix access") from exc


def keep_refused(root: Path, content: bytes, suffix: str, refusal: Refusal) -> Path:
    """Keep what a source sent with the reason why it was refused; what the same source sent before is replaced."""
    folder = root / refusal.batch_id / "refused" / refusal.source
    _replace(folder / f"original.{suffix or 'bin'}", content)
    _replace(folder / REFUSAL, refusal.model_dump_json(indent=2).encode())
    return folder


def refusals(root: Path) -> list[Refusal]:
    """Everything that was refused and kept, oldest day first."""
    found = [Refusal.model_validate_json(path.read_bytes()) for path in root.glob(f"**/refused/*/{REFUSAL}")]
    return sorted(found, key=lambda refusal: (refusal.day, refusal.batch_id, refusal.source))


def noted(root: Path) -> list[QuarantineNote]:
    """Every note in quarantine, oldest day first."""
    notes = [QuarantineNote.model_validate_json(path.read_bytes()) for path in root.glob(f"**/{REASON}")]
    return sorted(notes, key=lambda note: (note.day, note.batch_id))


def _replace(path: Path, content: bytes) -> None:
    """Write so that a crash leaves either the old or the new file, and no reader sees half of it.

    What a kill leaves half written has one name, so the next write of the same file replaces it. StoreUnavailable when
    the disk refuses.
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
