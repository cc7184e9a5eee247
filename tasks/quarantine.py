"""Where rows and batches wait that were not let in: the original bytes, and why.

One folder a batch: `original` as the source sent it, and `reason.json`, whose presence says that the folder is whole.
"""

import os
import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict

ORIGINAL = "original.csv"
REASON = "reason.json"


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


def set_aside(root: Path, content: bytes, note: QuarantineNote) -> Path:
    """Keep the batch's bytes with the note; returns the folder. The same batch again replaces what was there."""
    folder = root / note.batch_id
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / ORIGINAL, content)
    _replace(folder / REASON, note.model_dump_json(indent=2).encode())
    return folder


def noted(root: Path) -> list[QuarantineNote]:
    """Every note in quarantine, oldest day first."""
    notes = [QuarantineNote.model_validate_json(path.read_bytes()) for path in root.glob(f"**/{REASON}")]
    return sorted(notes, key=lambda note: (note.day, note.batch_id))


def _replace(path: Path, content: bytes) -> None:
    """Write so that a crash leaves either the old or the new file, and no reader sees half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
