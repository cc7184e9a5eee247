"""Whether the release root and the lake can be written, and every document of the release log can be read."""

import os
from pathlib import Path

from healing.diagnosis import ProblemKey, ProblemSignal
from healing.errors import Corrupt, StoreUnavailable
from healing.incident import Cause
from releases.log import ReleaseLog
from releases.release_root import ReleaseRoot
from releases.storage import storage_of
from tasks.incidents.probe import LOOK_SECONDS_MAX, Probe, ProbeContext, Sighting

PROBE_FILE = ".healer-probe"  # one name, so that a process that is killed leaves one file at most


class StoreWritable(Probe):
    """Writes and deletes an empty file. A directory that was never made, before the first use, is no problem."""

    looks_min = 2

    def __init__(self, subject: str) -> None:
        self.name = subject
        self._key: ProblemKey = (Cause.STORE_UNAVAILABLE, subject)

    def watched(self, context: ProbeContext) -> frozenset[ProblemKey]:  # noqa: ARG002
        return frozenset({self._key})

    def observe(self, context: ProbeContext) -> Sighting:
        folder = self._folder(context)
        if isinstance(folder, Path):
            failure, use = _write_failure(folder), "write to"
        else:
            failure, use = _listing_failure(folder), "list"  # an object store bills every write
        if failure is not None:
            return self._sighting(f"expected to {use} the {self.name}, found {failure}")
        damage = _log_damage(folder) if self.name == RELEASE_ROOT else None
        return Sighting(reason=f"the {self.name} can be used") if damage is None else self._sighting(damage)

    def hung(self, context: ProbeContext) -> Sighting:
        folder = self._folder(context)
        return self._sighting(f"expected {folder} to answer within {LOOK_SECONDS_MAX:g} s, found no answer")

    def _folder(self, context: ProbeContext) -> ReleaseRoot:
        settings, pipeline = context.settings, context.pipeline.name
        return settings.release_root(pipeline) if self.name == RELEASE_ROOT else settings.lake_root(pipeline)

    def _sighting(self, message: str) -> Sighting:
        return Sighting((ProblemSignal(*self._key, message),))


RELEASE_ROOT = "release root"
LAKE = "lake"


def _write_failure(folder: Path) -> str | None:
    """Why nothing can be written to `folder`; None if it can be, or if there is no such folder yet."""
    file = folder / PROBE_FILE
    try:
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644))
        file.unlink(missing_ok=True)
    except FileNotFoundError:
        return None
    except OSError as exc:
        return str(exc)
    return None


def _listing_failure(root: ReleaseRoot) -> str | None:
    """Why an object store cannot be listed; None if it can be."""
    try:
        storage_of(root).names("")
    except StoreUnavailable as exc:
        return str(exc)
    return None


def _log_damage(release_root: ReleaseRoot) -> str | None:
    """Why the release log cannot be read; None if every document can."""
    try:
        ReleaseLog(release_root).history()
    except (Corrupt, StoreUnavailable) as exc:
        return str(exc)
    return None


PROBES = (lambda: StoreWritable(RELEASE_ROOT), lambda: StoreWritable(LAKE))
