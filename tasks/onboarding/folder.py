"""The pipeline's folder: written beside its place, tried on the file, and put there in one step or not at all."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from healing.errors import UsageError
from releases.files import sync_directory, write_atomically


def check_free(name: str, pipelines_dir: Path) -> None:
    """UsageError when there is something of that name already."""
    folder = pipelines_dir / name
    if folder.exists():
        raise UsageError(
            f"{folder} exists already; nothing was written: choose another name, or move that folder away first"
        )


def write_folder(name: str, pipelines_dir: Path, files: dict[str, str], check: Callable[[Path], None]) -> Path:
    """The folder `name` with `files`, once `check` has accepted it where it was written; what it raises ends it.

    Somebody who makes the same folder meanwhile keeps theirs.
    """
    check_free(name, pipelines_dir)
    pipelines_dir.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=pipelines_dir))
    try:
        (beside / name).mkdir()
        for file, text in files.items():
            write_atomically(beside / name / file, text.encode())
        check(beside)
        shutil.rmtree(beside / name / "__pycache__", ignore_errors=True)  # loading it compiled it
        try:
            (beside / name).rename(pipelines_dir / name)  # onto a folder with files in it, this fails
        except OSError as exc:
            check_free(name, pipelines_dir)
            raise UsageError(f"expected to write {pipelines_dir / name}, found {exc}") from exc
        sync_directory(pipelines_dir)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return pipelines_dir / name
