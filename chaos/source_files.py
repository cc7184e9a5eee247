"""The data files of a pipeline's sources, read from its pipeline.yaml as docs/sources.md describes it."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml

__all__ = ["PIPELINES_VARIABLE", "pipelines_dir", "source_files"]

PIPELINES_VARIABLE = "AUTOPILOT_PIPELINES_DIR"


def pipelines_dir() -> Path:
    """The directory of the pipelines, as every command of the system finds it."""
    return Path(os.environ.get(PIPELINES_VARIABLE, "pipelines")).absolute()


def source_files(directory: Path, pipeline: str) -> list[Path]:
    """The existing files of the sources of kind `files` in a local directory, without duplicates, in name order."""
    path = directory / pipeline / "pipeline.yaml"
    if not path.exists():
        return []
    found: set[Path] = set()
    for source in yaml.safe_load(path.read_bytes()).get("sources", []):
        address = urlsplit(str(source.get("url", "")))
        if source.get("kind") != "files" or address.scheme not in ("", "file"):
            continue
        for pattern in (source.get("tables") or {}).values():
            found.update(Path(unquote(address.path)).glob(str(pattern).replace("{day}", "*")))
    return sorted(found)
