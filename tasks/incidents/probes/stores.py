"""Whether the release root and the lake can be read and written."""

import os
from pathlib import Path

from healing.diagnosis import ProblemKey, ProblemSignal
from healing.incident import Cause
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
        failure = _write_failure(self._folder(context))
        return Sighting(reason=f"the {self.name} can be written to") if failure is None else self._sighting(failure)

    def hung(self, context: ProbeContext) -> Sighting:
        return self._sighting(f"{self._folder(context)} does not answer within {LOOK_SECONDS_MAX:g} s")

    def _folder(self, context: ProbeContext) -> Path:
        settings, pipeline = context.settings, context.pipeline.name
        return settings.release_root(pipeline) if self.name == RELEASE_ROOT else settings.lake_root(pipeline)

    def _sighting(self, failure: str) -> Sighting:
        return Sighting((ProblemSignal(*self._key, f"expected to write to the {self.name}, found {failure}"),))


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


PROBES = (lambda: StoreWritable(RELEASE_ROOT), lambda: StoreWritable(LAKE))
