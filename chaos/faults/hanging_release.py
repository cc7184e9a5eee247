"""A release root that hangs: a reader of the newest entry of its log waits, as on a network mount without a server."""

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from chaos import release_documents
from chaos.lab import Lab

__all__ = ["KIND", "HangingRelease", "prepare"]

KIND = "hanging_release"
READER_SECONDS = 1.0  # a file of some kilobytes is read within milliseconds


class HangingRelease(BaseModel):
    """A named pipe that nobody writes to has the name of the next release: it is listed, and its readers wait."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["hanging_release"] = "hanging_release"
    path: Path

    @property
    def title(self) -> str:
        return f"release {self.path.stem} cannot be read to its end"

    def inject(self) -> None:
        """Create the pipe; FileExistsError when a release has taken the number."""
        os.mkfifo(self.path)

    def undo(self) -> None:
        """Remove the pipe, then end the wait of its readers, who get an empty file. A release is left alone."""
        if not self.path.is_fifo():
            return
        beside = self.path.with_name(f".{self.path.name}.drill")
        self.path.rename(beside)
        with contextlib.suppress(OSError):  # nobody waits
            os.close(os.open(beside, os.O_WRONLY | os.O_NONBLOCK))
        beside.unlink()

    def active(self) -> bool:
        """Whether a process that reads the entry is still waiting after READER_SECONDS."""
        if not self.path.exists():
            return False
        try:
            subprocess.run(["cat", str(self.path)], timeout=READER_SECONDS, check=False, capture_output=True)
        except subprocess.TimeoutExpired:
            return True
        return False


def prepare(lab: Lab) -> HangingRelease:
    """The number after the newest release. FileNotFoundError when there is no release."""
    following = release_documents.newest(lab.models.parent)["generation"] + 1
    return HangingRelease(path=lab.models.parent / "log" / f"{following:08}.json")
