"""Remedies that a drill has disabled for a while, so that it shows what happens without them."""

import json
import time
from pathlib import Path

from healing.incident import Remedy

FOLDER = "disabled_remedies"  # in the home, with one file per remedy


def disabled_remedies(home: Path) -> frozenset[Remedy]:
    """The remedies that `home/disabled_remedies/` disables now. An unreadable or expired file disables nothing."""
    folder = home / FOLDER
    return frozenset(remedy for remedy in Remedy if _is_disabled(folder / f"{remedy}.json"))


def _is_disabled(file: Path) -> bool:
    try:
        return time.time() < float(json.loads(file.read_bytes())["expires_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
