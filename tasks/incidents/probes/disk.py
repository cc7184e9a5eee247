"""Whether the disk of the state directory has space left."""

import os
from pathlib import Path

from healing.diagnosis import ProblemKey, ProblemSignal
from healing.incident import Cause
from tasks.incidents.probe import Probe, ProbeContext, Sighting

FREE_BYTES_MIN = 256 * 1024 * 1024  # a day of data, a training and a model need less
FREE_FILES_MIN = 1_000

HOME = "home"
_DISK: ProblemKey = (Cause.DISK_FULL, HOME)


class DiskSpace(Probe):
    """Free bytes and free files that a process without privileges may use."""

    name = "disk"

    def watched(self, context: ProbeContext) -> frozenset[ProblemKey]:  # noqa: ARG002
        return frozenset({_DISK})

    def observe(self, context: ProbeContext) -> Sighting:
        shortage = disk_shortage(context.settings.home)
        return Sighting(reason="the disk has space left") if shortage is None else _sighting(shortage)


def disk_shortage(home: Path) -> str | None:
    """What the disk of `home` lacks; None if it has enough."""
    existing = next(path for path in (home, *home.parents) if path.exists())
    found = os.statvfs(existing)
    free_bytes = found.f_bavail * found.f_frsize
    if free_bytes < FREE_BYTES_MIN:
        return f"expected {FREE_BYTES_MIN // 2**20} MiB free at {home}, found {free_bytes // 2**20} MiB"
    if found.f_files > 0 and found.f_favail < FREE_FILES_MIN:  # 0: a file system that has no limit of files
        return f"expected room for {FREE_FILES_MIN} files at {home}, found {found.f_favail}"
    return None


def _sighting(shortage: str) -> Sighting:
    return Sighting((ProblemSignal(*_DISK, shortage),))


PROBES = (DiskSpace,)
