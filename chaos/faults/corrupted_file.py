"""A file with flipped bytes on disk."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["CorruptedFile", "sha256"]

FLIPPED_BYTES = 64  # enough that no format survives it, few enough that size and most content stay


class CorruptedFile(BaseModel):
    """Flips bytes in the middle of `path`; `original` keeps the original bytes until the undo.

    Inject and undo replace the file in one step: a reader sees either all old bytes or all new ones, and a hard link
    elsewhere keeps its bytes.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["corrupted_file"] = "corrupted_file"
    path: Path
    original: Path
    original_sha256: str

    @classmethod
    def prepare(cls, path: Path, original: Path) -> "CorruptedFile":
        """Copy `path` to `original`, flushed to disk before the fault."""
        original.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, original)
        with original.open("rb") as kept:
            os.fsync(kept.fileno())
        return cls(path=path, original=original, original_sha256=sha256(original))

    @property
    def title(self) -> str:
        return f"{self.path.parent.name[:12]}/{self.path.name} corrupted"

    def inject(self) -> None:
        """Replace the file by one with flipped bytes."""
        content = bytearray(self.original.read_bytes())
        if not content:
            raise ValueError(f"expected a file with content to corrupt, found {self.path} empty")
        start = max(0, len(content) // 2 - FLIPPED_BYTES // 2)
        for position in range(start, min(start + FLIPPED_BYTES, len(content))):
            content[position] ^= 0xFF
        self._replace(bytes(content))

    def undo(self) -> None:
        """Restore the original bytes, unless they are there or the directory was removed in the meantime."""
        if not self.path.parent.is_dir() or not self.original.exists():
            return
        if not self.path.exists() or sha256(self.path) != self.original_sha256:
            self._replace(self.original.read_bytes())

    def active(self) -> bool:
        """Whether the file on disk has another digest than the original."""
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


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
