"""Rows of a Parquet file, every column as text, with the type that the file declares as metadata of the field.

The footer is read before the rows, so their size is known.
"""

from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from tasks.config.table import ColumnType
from tasks.ingestion.sources.document_errors import BrokenDocument, CutShort, TooLarge

_MAGIC = b"PAR1"
_DECLARED = b"declared"  # key in a field's metadata


def read(content: bytes, bytes_max: int) -> pa.Table:
    """Columns of text; CutShort without a footer, TooLarge when it unpacks to more than `bytes_max`."""
    if not content.startswith(_MAGIC):
        raise BrokenDocument("no Parquet")
    if not content.endswith(_MAGIC) or len(content) <= 2 * len(_MAGIC):
        raise CutShort("Parquet without its footer")
    try:
        file = open_file(pa.BufferReader(content))
        groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
        unpacked = sum(group.total_byte_size for group in groups)
        if unpacked > bytes_max:
            raise TooLarge(f"{unpacked} bytes of columns, more than {bytes_max}")
        rows = file.read()
    except (pa.ArrowException, OSError) as exc:
        raise BrokenDocument(f"no Parquet that can be read: {str(exc)[:160]}") from exc
    return as_text(rows)


def open_file(source: Any) -> Any:
    """The Parquet file at a path or in a buffer, with its footer read; BrokenDocument when that is impossible."""
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(source)
    except (pa.ArrowException, OSError) as exc:
        raise BrokenDocument(f"no Parquet that can be read: {str(exc)[:160]}") from exc
    names = file.schema_arrow.names
    if len(set(names)) < len(names):
        raise BrokenDocument("columns named twice")
    return file


def as_text(rows: pa.Table) -> pa.Table:
    """The rows of a Parquet file with every column as text; the declared type is in the field's metadata."""
    fields = [
        pa.field(field.name, pa.string(), metadata={_DECLARED: _column_type(field.type).encode()})
        for field in rows.schema
    ]
    return pa.table([_as_text(name, rows[name]) for name in rows.column_names], schema=pa.schema(fields))


def declared_types(rows: pa.Table) -> dict[str, ColumnType]:
    """The type by column that the file declared; empty for rows of another format."""
    known = {field.name: field.metadata[_DECLARED].decode() for field in rows.schema if field.metadata}
    return {name: cast("ColumnType", kind) for name, kind in known.items()}


def _column_type(found: pa.DataType) -> ColumnType:
    """The contract's type for an Arrow type; everything that is no number, boolean or time is text."""
    if pa.types.is_dictionary(found):
        return _column_type(found.value_type)
    if pa.types.is_boolean(found):
        return "boolean"
    if pa.types.is_integer(found):
        return "long"
    if pa.types.is_floating(found) or pa.types.is_decimal(found):
        return "double"
    return "timestamp" if pa.types.is_timestamp(found) or pa.types.is_date(found) else "string"


def _as_text(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as text that shows every value exactly; NaN is a missing value."""
    try:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_floating(column.type):
            column = column.cast(pa.float64())  # the text of a shorter float is another number as a double
            column = pc.if_else(pc.is_nan(column), None, column)
        return column.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as exc:
        raise BrokenDocument(f"{column.type} in {name!r}, not a single value") from exc
