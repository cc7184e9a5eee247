"""Rows of JSON: an array of objects, an object with such an array, or one object per line. Values become text."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pyarrow as pa

from tasks.ingestion.sources.document_errors import BrokenDocument, CutShort
from tasks.ingestion.sources.text import checked_text, refuse_markup


def read(content: bytes, records: str | None = None) -> pa.Table:
    """Rows of an array, or of the array at the dotted path `records` of an object."""
    found = pick(parse(content), records)
    if not isinstance(found, list):
        place = f"at {records!r}" if records else "at the top"
        raise BrokenDocument(f"{type(found).__name__} {place}, not an array of rows")
    return from_records(found)


def read_lines(content: bytes) -> pa.Table:
    """Rows of one object per line. Empty lines are ignored."""
    refuse_markup(content)
    lines = checked_text(content).split(b"\n")
    return from_records(parse_lines(lines, 0, is_last=True))


def parse_lines(lines: Sequence[bytes], before: int, *, is_last: bool) -> list[Any]:
    """The JSON values of lines, of which `before` came earlier. `is_last`: the last one ends without a line break."""
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(orjson.loads(line))
        except orjson.JSONDecodeError as exc:
            if is_last and number == len(lines):  # the writer did not finish
                raise CutShort(f"a last line that is cut off: {line[-60:]!r}") from exc
            raise BrokenDocument(f"invalid JSON in line {before + number}: {exc}") from exc
    return found


def parse(content: bytes) -> Any:
    """The JSON value; BrokenDocument when there is none."""
    refuse_markup(content)
    try:
        return orjson.loads(checked_text(content))
    except orjson.JSONDecodeError as exc:
        if exc.pos >= len(exc.doc.rstrip()):
            raise CutShort(f"JSON that ends early: {exc}") from exc
        raise BrokenDocument(f"invalid JSON: {exc}") from exc


def pick(value: Any, path: str | None) -> Any:
    """The value at a dotted path of objects, None when there is none."""
    for key in path.split(".") if path else []:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def from_records(records: Sequence[Any]) -> pa.Table:
    """Columns of text, in the order in which rows first name them; null where a row lacks the column."""
    names: dict[str, None] = {}
    for number, record in enumerate(records):
        if not isinstance(record, Mapping):
            raise BrokenDocument(f"{type(record).__name__} as row {number}, not an object")
        names.update(dict.fromkeys(record))
    columns = {name: [as_text(name, record.get(name)) for record in records] for name in names}
    return pa.table({name: pa.array(column, pa.string()) for name, column in columns.items()})


def as_text(name: str, value: object) -> str | None:  # noqa: PLR0911 - one return per type is the whole function
    """A value as CSV would show it: numbers at full precision, times in ISO 8601."""
    match value:
        case None:
            return None
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | Decimal() | UUID():
            return str(value)
        case float():
            return None if value != value else repr(value)  # noqa: PLR0124 - only NaN differs from itself
        case datetime():
            return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
        case date():
            return value.isoformat()
        case _:
            raise BrokenDocument(f"{type(value).__name__} in {name!r}, not a single value")
