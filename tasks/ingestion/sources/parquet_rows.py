"""Rows of a Parquet file, every column as text. The footer is read before the rows, so their size is known."""

import pyarrow as pa
import pyarrow.compute as pc

from tasks.ingestion.sources.document_errors import BrokenDocument, CutShort, TooLarge
from tasks.ingestion.sources.text import nulls_where_missing

_MAGIC = b"PAR1"


def read(content: bytes, bytes_max: int) -> pa.Table:
    """Columns of text; CutShort without a footer, TooLarge when it unpacks to more than `bytes_max`."""
    import pyarrow.parquet as pq

    if not content.startswith(_MAGIC):
        raise BrokenDocument("no Parquet")
    if not content.endswith(_MAGIC) or len(content) <= 2 * len(_MAGIC):
        raise CutShort("Parquet without its footer")
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
        unpacked = sum(group.total_byte_size for group in groups)
        if unpacked > bytes_max:
            raise TooLarge(f"{unpacked} bytes of columns, more than {bytes_max}")
        rows = file.read()
    except (pa.ArrowException, OSError) as exc:
        raise BrokenDocument(f"no Parquet that can be read: {str(exc)[:160]}") from exc
    if len(set(rows.column_names)) < rows.num_columns:
        raise BrokenDocument("columns named twice")
    return pa.table({name: _as_text(name, rows[name]) for name in rows.column_names})


def _as_text(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    try:
        return nulls_where_missing(column.cast(pa.string()))
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as exc:
        raise BrokenDocument(f"{column.type} in {name!r}, not a single value") from exc
