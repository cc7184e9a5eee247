"""Where the files are that the healer replaces several times per minute; the supervisor names them to the gateway."""

from pathlib import Path


def snapshot_file(home: Path, pipeline: str) -> Path:
    """The file that the healer of the pipeline replaces several times per minute."""
    return home / "healer" / f"{pipeline}.status.json"


def metrics_file(home: Path, pipeline: str) -> Path:
    """The file with the healer's metrics, in the text format of Prometheus; the gateway adds it to its own."""
    return home / "healer" / f"{pipeline}.prom"
