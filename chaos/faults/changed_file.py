"""A file that is damaged on disk: bytes flipped, cut off, torn within the last row, or the whole file removed."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from chaos.lab import Lab
from chaos.source_files import source_databases, source_files

__all__ = ["KIND", "ChangedFile", "prepare", "prepare_model", "sha256"]

KIND = "file"
MANIFEST_FILE = "manifest.json"
SIGNATURE_FILE = "model.sig"  # of OpenSSF model-signing, in the directory of each model
FLIPPED_BYTES = 64  # enough that no format survives it, few enough that size and most content stay
TORN_BYTES = 24  # less than a row of any table with a key, a time and a value
Change = Literal["flip", "truncate", "tear", "remove"]
_DONE: Mapping[Change, str] = {"flip": "corrupted", "truncate": "cut off", "tear": "torn", "remove": "removed"}


class ChangedFile(BaseModel):
    """Flips bytes of `path`, cuts off its second half or its end, or removes it; `original` keeps it until the undo.

    Inject and undo replace the file in one step: a reader sees either all old bytes or all new ones, and a hard link
    elsewhere keeps its bytes.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["changed_file"] = "changed_file"
    path: Path
    original: Path
    original_sha256: str
    change: Change = "flip"

    @classmethod
    def prepare(cls, path: Path, original: Path, change: Change = "flip") -> "ChangedFile":
        """Copy `path` to `original`, flushed to disk before the fault."""
        original.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, original)
        with original.open("rb") as kept:
            os.fsync(kept.fileno())
        return cls(path=path, original=original, original_sha256=sha256(original), change=change)

    @property
    def title(self) -> str:
        return f"{self.path.parent.name[:12]}/{self.path.name} {_DONE[self.change]}"

    def inject(self) -> None:
        """Replace the file by a damaged one, or remove it."""
        if self.change == "remove":
            self.path.unlink()
            return
        content = bytearray(self.original.read_bytes())
        if not content:
            raise ValueError(f"expected a file with content to damage, found {self.path} empty")
        match self.change:
            case "truncate":
                self._replace(bytes(content[: len(content) // 2]))
            case "tear":
                self._replace(bytes(content[:-TORN_BYTES]))
            case _:
                self._replace(_flipped(content))

    def undo(self) -> None:
        """Restore the original bytes, unless they are there or the directory was removed in the meantime."""
        if not self.path.parent.is_dir() or not self.original.exists():
            return
        if not self.path.exists() or sha256(self.path) != self.original_sha256:
            self._replace(self.original.read_bytes())

    def active(self) -> bool:
        """Whether the file on disk is gone or has another digest than the original."""
        if self.change == "remove":
            return not self.path.exists()
        return self.path.exists() and sha256(self.path) != self.original_sha256

    def _replace(self, content: bytes) -> None:
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            shutil.copystat(self.original, beside)
            beside.replace(self.path)
        finally:
            beside.unlink(missing_ok=True)


def prepare(lab: Lab, file: str, change: Change) -> ChangedFile:
    """`file` is the model, manifest or signature of the champion or of its first fallback, such as champion_model.

    Or `source`, the last data file of the pipeline's sources of kind files, or `source_database`, the SQLite database
    of its source of kind sql. LookupError for another name or when there is no such file.
    """
    if file in ("source", "source_database"):
        return _prepare_source(lab, file, change)
    role, _, part = file.partition("_")
    if role not in ("champion", "fallback") or part not in ("model", "manifest", "signature"):
        raise LookupError(
            f"expected source, source_database or (champion|fallback)_(model|manifest|signature), found {file!r}"
        )
    return prepare_model(lab, lab.champion() if role == "champion" else lab.fallback(), part, change)


def prepare_model(lab: Lab, digest: str, part: str, change: Change) -> ChangedFile:
    """`part` of a published model is its model, manifest or signature."""
    directory = lab.models / digest
    manifest = directory / MANIFEST_FILE
    match part:
        case "model":
            path = directory / json.loads(manifest.read_bytes())["model_file"]
        case "manifest":
            path = manifest
        case _:
            path = directory / SIGNATURE_FILE
    return ChangedFile.prepare(path, lab.leases / f"{directory.name[:12]}.{path.name}.original", change)


def _prepare_source(lab: Lab, file: str, change: Change) -> ChangedFile:
    find = source_files if file == "source" else source_databases
    files = find(lab.pipelines_dir, lab.pipeline)
    if not files:
        raise LookupError(f"expected data files of the sources of {lab.pipeline}, found none")
    return ChangedFile.prepare(files[-1], lab.leases / f"{files[-1].name}.original", change)


def _flipped(content: bytearray) -> bytes:
    start = max(0, len(content) // 2 - FLIPPED_BYTES // 2)
    for position in range(start, min(start + FLIPPED_BYTES, len(content))):
        content[position] ^= 0xFF
    return bytes(content)


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
