"""Whether the disks of the home, of the release roots and of temporary files have space and files left."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cli.doctor.examined import Examined, error, warning
from cli.doctor.finding import Finding
from tasks.incidents.probes.disk import FREE_BYTES_MIN, FREE_FILES_MIN

NAME = "disk"


def find(examined: Examined) -> Iterator[Finding]:
    """One finding per file system that is short of space, and one per file system that is short of files."""
    seen: set[int] = set()
    for directory in _directories(examined):
        existing = next(path for path in (directory, *directory.parents) if path.exists())
        device = existing.stat().st_dev
        if device not in seen:
            seen.add(device)
            yield from _shortages(existing, examined.free_mib_min)


def _directories(examined: Examined) -> Iterator[Path]:
    yield examined.settings.home
    for pipeline in examined.pipelines:
        yield examined.settings.release_dir(pipeline)
    yield Path(tempfile.gettempdir())


def _shortages(directory: Path, free_mib_min: int) -> Iterator[Finding]:
    free = os.statvfs(directory)
    free_bytes = free.f_bavail * free.f_frsize
    if free_bytes < max(FREE_BYTES_MIN, free_mib_min * 2**20):
        kind = error if free_bytes < FREE_BYTES_MIN else warning
        expected = f"{max(FREE_BYTES_MIN // 2**20, free_mib_min)} MiB free"
        fix = f"free some space: `autopilot maintain`, or see `du -xh --max-depth=2 {directory} | sort -h | tail`"
        yield kind(NAME, directory, expected, f"{free_bytes // 2**20} MiB free", fix)
    if free.f_files > 0 and free.f_favail < FREE_FILES_MIN:  # 0: a file system that has no limit of files
        fix = f"delete files that are not needed: `du -x --inodes --max-depth=3 {directory} | sort -n | tail`"
        yield error(NAME, directory, f"room for {FREE_FILES_MIN} more files", f"room for {free.f_favail}", fix)
