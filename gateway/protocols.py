"""MLflow's scoring protocol: request bodies become a table, answers become JSON.

JSON: `{"dataframe_split": {"columns": […], "data": [[…]]}}`, `{"dataframe_records": [{…}]}`, `{"instances": […]}`,
`{"inputs": {column: […]}}`. CSV: a header line, then rows. The shape is checked here, the values by `gateway.schema`.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from healing.errors import Refused

CSV_TYPES = frozenset({"text/csv", "application/csv"})
JSON_FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
ROWS_MAX = 10_000


class BadRequest(Refused):
    """The request cannot be answered as it stands. `field` names the part of the body that is wrong."""

    def __init__(self, message: str, *, field: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.field = field
        self.status = status

    def body(self) -> bytes:
        """MLflow's error shape, with the field beside it."""
        return error_body("BAD_REQUEST", str(self), self.field)


def error_body(code: str, message: str, field: str | None = None) -> bytes:
    return orjson.dumps({"error_code": code, "message": message} | ({"field": field} if field else {}))


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as the client sent them. `columns` is None where the rows follow the model's own order; `textual` rows hold
    strings that still have to become numbers."""

    columns: tuple[str, ...] | None
    rows: Sequence[Sequence[Any]]
    textual: bool = False


def parse_body(content_type: str, body: bytes) -> Table:
    """The table in a request body; BadRequest says what is wrong with it."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in CSV_TYPES:
        table = _parse_csv(body)
    elif media_type in ("application/json", ""):
        table = _parse_json(body)
    else:
        raise BadRequest(f"content types are application/json and text/csv, found {media_type!r}", status=415)
    if not table.rows:
        raise BadRequest("the request has no rows", field="rows")
    if len(table.rows) > ROWS_MAX:
        raise BadRequest(f"a request has at most {ROWS_MAX} rows, found {len(table.rows)}", field="rows", status=413)
    return table


def _parse_json(body: bytes) -> Table:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise BadRequest(f"the body is not JSON: {exc} (NaN and Infinity are not JSON either: send null)") from exc
    if not isinstance(document, dict):
        raise BadRequest(f"the body is a JSON object with one of {', '.join(JSON_FORMATS)}")
    given = [name for name in JSON_FORMATS if name in document]
    unknown = sorted(document.keys() - {*JSON_FORMATS, "params"})
    if len(given) != 1 or unknown:
        found = ", ".join([*given, *unknown]) or "none"
        raise BadRequest(f"the body has exactly one of {', '.join(JSON_FORMATS)}; found {found}")
    content = document[given[0]]
    match given[0]:
        case "dataframe_split":
            return _from_split(content)
        case "inputs" if isinstance(content, dict):
            return _from_columns(content)
        case name:
            return _from_records(content, name)


def _from_split(content: Any) -> Table:
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        raise BadRequest("dataframe_split has `columns` and `data`, a list of rows", field="dataframe_split")
    columns, rows = content.get("columns"), content["data"]
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise BadRequest("dataframe_split.columns is a list of names", field="dataframe_split.columns")
    _check_rectangular(rows, len(columns), "dataframe_split.data")
    return Table(tuple(columns), rows)


def _from_records(content: Any, name: str) -> Table:
    if not isinstance(content, list):
        raise BadRequest(f"{name} is a list of rows", field=name)
    if content and isinstance(content[0], list):
        _check_rectangular(content, len(content[0]), name)
        return Table(None, content)
    columns = tuple(content[0]) if content and isinstance(content[0], dict) else ()
    keys = set(columns)
    rows = []
    for index, record in enumerate(content):
        if not isinstance(record, dict):
            raise BadRequest(
                f"{name}[{index}] is an object like the others, found another type", field=f"{name}[{index}]"
            )
        if record.keys() != keys:
            odd = min(record.keys() ^ keys)
            raise BadRequest(
                f"{name}[{index}] has other fields than {name}[0]: {odd!r}", field=f"{name}[{index}].{odd}"
            )
        rows.append([record[column] for column in columns])
    return Table(columns, rows)


def _from_columns(content: dict[str, Any]) -> Table:
    lengths = set()
    for name, values in content.items():
        if not isinstance(values, list):
            raise BadRequest(f"inputs.{name} is a list of values", field=f"inputs.{name}")
        lengths.add(len(values))
    if len(lengths) > 1:
        raise BadRequest(f"columns of inputs have one length, found {sorted(lengths)}", field="inputs")
    return Table(tuple(content), list(zip(*content.values(), strict=True)))


def _check_rectangular(rows: list[Any], width: int, name: str) -> None:
    for index, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != width:
            found = len(row) if isinstance(row, list) else type(row).__name__
            raise BadRequest(f"{name}[{index}] is a list of {width} values, found {found}", field=f"{name}[{index}]")


def _parse_csv(body: bytes) -> Table:
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as exc:
        raise BadRequest(f"the body is not CSV in UTF-8: {exc}") from exc
    if not lines:
        raise BadRequest("a CSV body starts with a header line", field="header")
    columns, rows = tuple(lines[0]), [line for line in lines[1:] if line]
    _check_rectangular(rows, len(columns), "row")
    return Table(columns, rows, textual=True)
