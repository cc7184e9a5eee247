"""Data files and SQLite databases of a pipeline's sources, read from pipeline.yaml as docs/sources.md describes it."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

__all__ = ["PIPELINES_VARIABLE", "pipelines_dir", "source_databases", "source_files"]

PIPELINES_VARIABLE = "AUTOPILOT_PIPELINES_DIR"


def pipelines_dir() -> Path:
    """The directory of the pipelines, as every command of the system finds it."""
    return Path(os.environ.get(PIPELINES_VARIABLE, "pipelines")).absolute()


def source_files(directory: Path, pipeline: str) -> list[Path]:
    """The existing files of the sources of kind `files` in a local directory, without duplicates, in name order."""
    found: set[Path] = set()
    for source in _sources(directory, pipeline):
        address = urlsplit(str(source.get("url", "")))
        if source.get("kind") != "files" or address.scheme not in ("", "file"):
            continue
        for pattern in (source.get("tables") or {}).values():
            found.update(Path(unquote(address.path)).glob(str(pattern).replace("{day}", "*")))
    return sorted(found)


def source_databases(directory: Path, pipeline: str) -> list[Path]:
    """The existing SQLite databases of the sources of kind `sql`, in the order of the sources."""
    urls = [str(source.get("url", "")) for source in _sources(directory, pipeline) if source.get("kind") == "sql"]
    paths = [Path(url.partition(":///")[2]) for url in urls if url.startswith("sqlite")]
    return [path for path in paths if path.is_file()]


def _sources(directory: Path, pipeline: str) -> list[dict[str, Any]]:
    path = directory / pipeline / "pipeline.yaml"
    if not path.exists():
        return []
    sources: list[dict[str, Any]] = yaml.safe_load(path.read_bytes()).get("sources", [])
    return sources
