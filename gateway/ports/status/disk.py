"""What the status page reads from disks: the release history, and the healer's snapshot of the control plane."""

import time
from pathlib import Path
from typing import Any

import orjson

from healing.errors import AutopilotError
from healing.release import Release
from releases.log import ReleaseLog
from releases.release_root import ReleaseRoot

RELEASES_SHOWN = 30
_SNAPSHOT_BYTES_MAX = 4 * 2**20


class ReleaseHistory:
    """The newest releases of the log, newest first. Documents never change, so each is read once."""

    def __init__(self, release_root: ReleaseRoot) -> None:
        self._log = ReleaseLog(release_root)
        self._read: dict[int, dict[str, Any]] = {}

    def newest(self) -> list[dict[str, Any]]:
        """One row per release; one that cannot be read has an `error`, and is read again the next time."""
        wanted = self._log.generations()[: -RELEASES_SHOWN - 1 : -1]
        for generation in wanted:
            if "error" in self._read.get(generation, {"error": ""}):
                self._read[generation] = self._row(generation)
        self._read = {generation: self._read[generation] for generation in wanted}
        return list(self._read.values())

    def _row(self, generation: int) -> dict[str, Any]:
        try:
            return _release_row(self._log.read(generation))
        except (AutopilotError, OSError, ValueError) as exc:
            return {"generation": generation, "error": str(exc)}


def _release_row(release: Release) -> dict[str, Any]:
    trial = release.challenger
    return {
        "generation": release.generation,
        "created_at": release.created_at.isoformat(),
        "reason": release.reason.value,
        "author": release.author,
        "champion": release.champion.version,
        "champion_digest": release.champion.digest,
        "challenger": None if trial is None else trial.model.version,
        "mode": None if trial is None else trial.mode.value,
        "weight": None if trial is None else trial.weight,
        "fenced": [fence.version for fence in release.fenced],
        "incident_id": release.incident_id,
        "note": release.note,
    }


def read_control_plane(path: Path | None) -> dict[str, Any]:
    """The healer's snapshot with its age in seconds, or an `error` that says why there is none."""
    if path is None:
        return {"error": "no file is set (--control-plane-file); this gateway was started by itself"}
    try:
        if path.stat().st_size > _SNAPSHOT_BYTES_MAX:
            return {"error": f"{path.name} is larger than {_SNAPSHOT_BYTES_MAX} bytes"}
        age, found = time.time() - path.stat().st_mtime, orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return {"error": "the healer has written no snapshot yet"}
    except (OSError, ValueError) as exc:
        return {"error": f"the healer's snapshot cannot be read: {exc}"}
    if not isinstance(found, dict) or not isinstance(found.get("sections"), dict):
        return {"error": "the healer's snapshot has another form than this gateway expects"}
    return {"error": "", "age_seconds": round(max(0.0, age), 1), **found}
