"""Appends releases to the release log, by its documented form: numbered JSON documents, created exclusively."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["FALLBACKS_MAX", "after", "append", "newest"]

AUTHOR = "drill"
FALLBACKS_MAX = 3  # as many as a release may name


def newest(release_root: Path) -> dict[str, Any]:
    """The newest release; FileNotFoundError when there is none."""
    documents = sorted((release_root / "log").glob("[0-9]*.json"))
    if not documents:
        raise FileNotFoundError(f"expected a release in {release_root / 'log'}, found none")
    release: dict[str, Any] = json.loads(documents[-1].read_bytes())
    return release


def after(release_root: Path, generation: int) -> list[dict[str, Any]]:
    """The releases after `generation`, oldest first."""
    documents = sorted((release_root / "log").glob("[0-9]*.json"))
    return [json.loads(each.read_bytes()) for each in documents if int(each.stem) > generation]


def append(release_root: Path, reason: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Commit the newest release with `changes` as the next one; FileExistsError when another writer was quicker."""
    current = newest(release_root)
    following = {
        **current,
        "generation": current["generation"] + 1,
        "created_at": datetime.now(UTC).isoformat(),
        "author": AUTHOR,
        "reason": reason,
        "incident_id": None,
        "note": "",
        "unfenced_by": None,
        **changes,
    }
    following.pop("signature", None)  # of the release before
    log = release_root / "log"
    beside = log / f".drill-{os.getpid()}"
    try:
        with beside.open("w", encoding="utf-8") as file:
            json.dump(following, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.link(beside, log / f"{following['generation']:08d}.json")
    finally:
        beside.unlink(missing_ok=True)
    return following
