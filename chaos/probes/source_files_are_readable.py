"""The data files of the pipeline's sources can be read."""

from collections.abc import Mapping
from typing import Any

from chaos.lab import Lab
from chaos.source_files import source_databases, source_files

__all__ = ["source_files_are_readable"]


def source_files_are_readable(configuration: Mapping[str, Any]) -> bool:
    """Whether there is a data file or a SQLite database, and each has content."""
    lab = Lab.of(configuration)
    files = [*source_files(lab.pipelines_dir, lab.pipeline), *source_databases(lab.pipelines_dir, lab.pipeline)]
    return bool(files) and all(path.stat().st_size > 0 for path in files)
