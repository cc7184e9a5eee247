"""The data files of the pipeline's sources can be read."""

from collections.abc import Mapping
from typing import Any

from chaos.lab import Lab
from chaos.source_files import pipelines_dir, source_databases, source_files

__all__ = ["source_files_are_readable"]


def source_files_are_readable(configuration: Mapping[str, Any]) -> bool:
    """Whether there is a data file or a SQLite database, and each has content."""
    pipeline = Lab.of(configuration).pipeline
    files = [*source_files(pipelines_dir(), pipeline), *source_databases(pipelines_dir(), pipeline)]
    return bool(files) and all(path.stat().st_size > 0 for path in files)
