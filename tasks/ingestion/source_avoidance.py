"""Sources that are asked last for a while, because they answer far more slowly than usual."""

import json
import time
from pathlib import Path

from releases.files import write_atomically


def avoid(state_dir: Path, source: str, seconds: float, reason: str) -> None:
    """Let the other sources be asked before this one for so many seconds."""
    content = {"until": time.time() + seconds, "reason": reason}
    write_atomically(_file(state_dir, source), json.dumps(content).encode())


def avoided_seconds(state_dir: Path, source: str) -> float:
    """For how long the source is still asked last; 0 if it is not. An unreadable file avoids nothing."""
    try:
        return max(0.0, float(json.loads(_file(state_dir, source).read_bytes())["until"]) - time.time())
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def _file(state_dir: Path, source: str) -> Path:
    return state_dir / f"{source}.avoid.json"
