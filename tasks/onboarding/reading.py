"""The file as ingestion will see it: the same reader, so that what is guessed here holds there."""

from pathlib import Path
from typing import TYPE_CHECKING

from healing.errors import SourceUnavailable, UsageError
from tasks.config.sources_section import FilesEndpoint
from tasks.ingestion.sources.document import Document

if TYPE_CHECKING:
    import pandas as pd

_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_rows(path: Path) -> "pd.DataFrame":
    """All rows of a CSV, JSON or Parquet file, compressed or not: every column as text, None where a value is missing.

    UsageError with one line that says what is wrong with the file.
    """
    if not path.is_file():
        raise UsageError(
            f"expected a CSV or Parquet file at {path}, found {'a directory' if path.is_dir() else 'none'}"
        )
    endpoint = FilesEndpoint(name="file", kind="files", url=str(path.parent))
    try:
        rows: pd.DataFrame = Document(endpoint, str(path), path.name, path.read_bytes()).rows().to_pandas()
    except SourceUnavailable as exc:
        raise UsageError(f"{str(exc).removeprefix(f'source {endpoint.name}: ')}; a pipeline could not read it") from exc
    if len(rows.columns) == 1:
        for separator, name in _OTHER_SEPARATORS.items():
            if separator in rows.columns[0]:
                raise UsageError(f"{path}: expected commas between fields, found {name}; write it with commas first")
    if rows.empty:
        raise UsageError(f"{path}: expected rows, found only the header {', '.join(rows.columns)[:120]}")
    return rows
