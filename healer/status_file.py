"""Where the healer's snapshot for the status page is; the supervisor names it to the gateway."""

from pathlib import Path


def snapshot_file(home: Path, pipeline: str) -> Path:
    """The file that the healer of the pipeline replaces several times per minute."""
    return home / "healer" / f"{pipeline}.status.json"
