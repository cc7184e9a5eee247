"""A Parquet file without a name, with columns of text: what a large file of another format is converted to.

It vanishes when it is closed, or when the process ends.
"""

import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import pyarrow as pa

from tasks.ingestion.sources import parquet_rows

_GROUP_BYTES = 32 << 20  # of a row group: one is decoded at a time


@dataclass(frozen=True)
class ConvertedText:
    """An open Parquet file with the rows of a text as text, and what separated its fields; empty for JSON.

    `close` removes it. Otherwise it is removed when nothing refers to `parquet` any more.
    """

    parquet: Any  # pyarrow has no types
    separator: str
    close: Callable[[], object]


class TemporaryParquet:
    """Writes rows in groups of some megabytes. Without `finish`, the file is removed at the end of the context."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._folder = folder
        self._held: list[pa.Table] = []
        self._file: IO[bytes] | None = None
        self._writer: Any = None  # pyarrow has no types
        self._schema = schema
        self._open(schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
        if self._file is not None:
            self._file.close()

    def add(self, rows: pa.Table) -> None:
        """Add rows of the schema, or with further columns, which the rows before then lack."""
        if rows.schema.names != self._schema.names:
            rows = self._with_all_columns(rows)
        self._held.append(rows)
        if sum(each.nbytes for each in self._held) >= _GROUP_BYTES:
            self._write_held()

    def finish(self, separator: str = "") -> ConvertedText:
        """The file, which is removed when nothing refers to it any more."""
        self._write_held()
        self._writer.close()
        file, self._file = self._file, None
        assert file is not None  # it is finished once
        parquet = parquet_rows.open_file(file)
        return ConvertedText(parquet, separator, weakref.finalize(parquet, file.close))

    def _open(self, schema: pa.Schema) -> None:
        import pyarrow.parquet as pq

        self._schema = schema
        self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - it is closed with the result
        options = {"compression": "lz4", "use_dictionary": False, "write_statistics": False}
        self._writer = pq.ParquetWriter(self._file, schema, **options)

    def _with_all_columns(self, rows: pa.Table) -> pa.Table:
        new = [name for name in rows.schema.names if name not in self._schema.names]
        if new:
            self._write_again(pa.schema([*self._schema, *((name, pa.string()) for name in new)]))
        return _filled(rows, self._schema)

    def _write_again(self, schema: pa.Schema) -> None:
        """Copy what was written to a file with more columns."""
        before = self.finish()
        self._open(schema)
        for index in range(before.parquet.num_row_groups):
            self._writer.write_table(_filled(before.parquet.read_row_group(index), schema))
        before.close()

    def _write_held(self) -> None:
        if self._held:
            self._writer.write_table(pa.concat_tables(self._held))
            self._held = []


def _filled(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows with all columns of the schema, null where they have none."""
    known = set(rows.schema.names)
    empty = pa.nulls(rows.num_rows, pa.string())
    return pa.table([rows[name] if name in known else empty for name in schema.names], schema=schema)
