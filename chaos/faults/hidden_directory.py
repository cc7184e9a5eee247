"""A directory that is out of reach: a file has taken its name."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from chaos.lab import Lab

__all__ = ["KIND", "HiddenDirectory", "prepare"]

KIND = "directory"


class HiddenDirectory(BaseModel):
    """The directory is renamed and a file takes its place, so nobody can create it anew: each access fails, as root's.

    Open files in it stay usable, as on a network file system that went away only for new calls.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["hidden_directory"] = "hidden_directory"
    path: Path
    beside: Path

    @property
    def title(self) -> str:
        return f"{self.path.parent.name}/{self.path.name} out of reach"

    def inject(self) -> None:
        """Rename the directory, then create the file."""
        self.path.rename(self.beside)
        self.path.touch()

    def undo(self) -> None:
        """Remove the file and rename the directory back, unless it is there."""
        if not self.beside.is_dir():
            return
        if self.path.is_dir():  # an undo was cut off between its two steps, and somebody created the directory
            self.path.rename(self.beside.with_suffix(".new"))
        self.path.unlink(missing_ok=True)
        self.beside.rename(self.path)

    def active(self) -> bool:
        """Whether listing the directory fails."""
        try:
            list(self.path.iterdir())
        except OSError:
            return True
        return False


def prepare(lab: Lab, directory: Literal["release_root"] = "release_root") -> HiddenDirectory:
    """`directory` is release_root. LookupError for another name."""
    if directory != "release_root":
        raise LookupError(f"expected the directory release_root, found {directory!r}")
    path = lab.models.parent
    return HiddenDirectory(path=path, beside=path.with_name(f".{path.name}.{lab.directory.name}.hidden"))
