"""MLflow's scoring protocol: what its own scoring server accepts and answers, without MLflow.

JSON: one of `{"dataframe_split": {"columns": […], "data": [[…]]}}`, `{"dataframe_records": [{…}]}`,
`{"instances": […]}` and `{"inputs": {column: […]}}`; the last two also as rows, with names or without. CSV: a header
line, then rows. The shape is checked here, the values by `gateway.rows.schema`. As with MLflow, fields beside these are
let be, and `params` are ignored by models whose signature has none, which ours have not: `x-ignored` says so.
"""

import csv
import io
import itertools
from collections.abc import Mapping
from typing import Any

import orjson

from gateway.routing.request import PredictResponse
from gateway.rows.answers import outputs_of
from gateway.rows.refusals import BadRequest, error_body
from gateway.rows.table import ROWS_MAX, RequestTable, check_rectangular, check_row_count
from gateway.wire.asgi import JSON, Header
from gateway.wire.json_body import parse_object
from gateway.wire.protocol import EncodedResponse, ParsedRequest, WireProtocol

_RAGGED_FACTOR, _RAGGED_FIELDS = 32, 4096  # bound the table that ragged records become by what a client sent
_CSV_FIELDS_MAX = 10_000  # in the header line
CSV_TYPES = frozenset({"text/csv", "application/csv"})
JSON_FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_SPLIT_FIELDS = frozenset({"columns", "data", "index"})
_NAME_TYPES = frozenset({str})
_CONTENT: tuple[Header, ...] = (JSON,)
_CONTENT_PARAMS_IGNORED: tuple[Header, ...] = (JSON, (b"x-ignored", b"params"))


def read_request(headers: Mapping[bytes, bytes], body: bytes) -> ParsedRequest:
    """The table in a request body; BadRequest says what is wrong with it."""
    content_type = headers.get(b"content-type", b"application/json")
    if b"content-encoding" in headers:
        raise BadRequest("send the body as it is, without content-encoding", field="content-encoding", status=415)
    # The plain media type, as nearly every client sends it, needs no taking apart.
    media_type = "application/json" if content_type == b"application/json" else _media_type(content_type)
    write = _write
    if media_type in CSV_TYPES:
        table = _parse_csv(body)
    elif media_type in ("application/json", ""):
        document = parse_object(body, f"a JSON object with one of {', '.join(JSON_FORMATS)}")
        if "params" in document:
            write = _writer_beside_params(document["params"])
        table = _table_of(document)
    else:
        raise BadRequest(f"content types are application/json and text/csv, found {media_type!r}", status=415)
    check_row_count(len(table.rows))
    return ParsedRequest(table, write)


def _media_type(content_type: bytes) -> str:
    """Without its parameters, of which there may be `charset=utf-8` and no other."""
    media_type, *parameters = (part.strip() for part in content_type.decode("latin-1").lower().split(";"))
    for parameter in filter(None, parameters):
        name, _, value = parameter.partition("=")
        if name.strip() != "charset" or value.strip(' "') not in ("utf-8", "utf8"):
            raise BadRequest(f"content types have no parameter but charset=utf-8, found {parameter!r}", status=415)
    return media_type


def _write(answer: PredictResponse) -> EncodedResponse:
    if answer.output is None:
        return orjson.dumps({"predictions": list(answer.values)}), _CONTENT
    return orjson.dumps({"predictions": answer.output.shown(answer.values, outputs_of(answer.values))}), _CONTENT


def _write_params_ignored(answer: PredictResponse) -> EncodedResponse:
    return _write(answer)[0], _CONTENT_PARAMS_IGNORED


def _writer_beside_params(params: Any) -> Any:
    if not isinstance(params, dict | None):
        raise BadRequest("params is an object of names and values", field="params")
    return _write_params_ignored if params else _write


def _table_of(document: dict[str, Any]) -> RequestTable:
    given = [name for name in JSON_FORMATS if name in document]
    if len(given) != 1:
        found = ", ".join(given or map(repr, sorted(document)[:8])) or "none"
        raise BadRequest(f"the body has exactly one of {', '.join(JSON_FORMATS)}; found {found}"[:1000])
    content = document[given[0]]
    match given[0]:
        case "dataframe_split":
            return _from_split(content)
        case "inputs" if isinstance(content, dict):
            return _from_columns(content)
        case name:
            return _from_rows(content, name)


def _from_split(content: Any) -> RequestTable:
    """Without `columns`, or with null for them, rows follow the model's own order."""
    if type(content) is not dict or type(content.get("data")) is not list:
        raise BadRequest("dataframe_split has `columns` and `data`, a list of rows", field="dataframe_split")
    if not content.keys() <= _SPLIT_FIELDS:
        odd = min(content.keys() - _SPLIT_FIELDS)
        raise BadRequest(f"dataframe_split has columns, data and index, found {odd!r}", field=f"dataframe_split.{odd}")
    columns, rows, index = content.get("columns"), content["data"], content.get("index")
    if index is not None and (type(index) is not list or len(index) != len(rows)):
        raise BadRequest(f"dataframe_split.index names {len(rows)} rows", field="dataframe_split.index")
    if columns is None:
        return _without_names(rows, "dataframe_split.data")
    if type(columns) is not list or not _NAME_TYPES.issuperset(map(type, columns)):
        raise BadRequest("dataframe_split.columns is a list of names", field="dataframe_split.columns")
    check_rectangular(rows, len(columns), "dataframe_split.data")
    return RequestTable(tuple(columns), rows)


def _from_rows(content: Any, name: str) -> RequestTable:
    if not isinstance(content, list):
        raise BadRequest(f"{name} is a list of rows", field=name)
    if content and isinstance(content[0], list) and name != "dataframe_records":
        return _without_names(content, name)
    columns = tuple(content[0]) if content and isinstance(content[0], dict) else ()
    keys = set(columns)
    rows = []
    for index, record in enumerate(content):
        if not isinstance(record, dict):
            raise _no_record(name, index)
        if record.keys() != keys:
            return _from_ragged_rows(content, name)
        rows.append([record[column] for column in columns])
    return RequestTable(columns, rows)


def _from_ragged_rows(records: list[Any], name: str) -> RequestTable:
    """Records with different fields, as pandas reads them: the columns are all fields, and an absent one is missing."""
    columns: dict[str, None] = {}
    fields = 0
    for index, record in enumerate(records):
        if not isinstance(record, dict):
            raise _no_record(name, index)
        columns |= dict.fromkeys(record)
        fields += len(record)
        if len(columns) * index > _RAGGED_FACTOR * (fields + index + _RAGGED_FIELDS):
            message = f"{name}[{index}] has fields that few other records have: send records with the same fields"
            raise BadRequest(message, field=f"{name}[{index}]")
    return RequestTable(tuple(columns), [[record.get(column) for column in columns] for record in records])


def _no_record(name: str, index: int) -> BadRequest:
    where = f"{name}[{index}]"
    return BadRequest(f"{where} is an object of columns and values, found another type", field=where)


def _without_names(rows: list[Any], name: str) -> RequestTable:
    check_rectangular(rows, len(rows[0]) if rows and isinstance(rows[0], list) else 0, name)
    return RequestTable(None, rows)


def _from_columns(content: dict[str, Any]) -> RequestTable:
    lengths = set()
    for name, values in content.items():
        if not isinstance(values, list):
            raise BadRequest(f"inputs.{name} is a list of values", field=f"inputs.{name}")
        lengths.add(len(values))
    if len(lengths) > 1:
        raise BadRequest(f"columns of inputs have one length, found {sorted(lengths)}", field="inputs")
    return RequestTable(tuple(content), list(zip(*content.values(), strict=True)))


def _parse_csv(body: bytes) -> RequestTable:
    """The table of a CSV body. Parsing ends with the first row too many, and a line has a bounded number of fields."""
    if body.count(b",", 0, body.find(b"\n")) >= _CSV_FIELDS_MAX:
        raise BadRequest(f"a CSV body has at most {_CSV_FIELDS_MAX} columns", field="header", status=413)
    try:
        text = io.TextIOWrapper(io.BytesIO(body), encoding="utf-8-sig", newline="")  # decodes as far as it is read
        reader = csv.reader(text, strict=True)
        lines = list(itertools.islice(reader, 2 * ROWS_MAX + 2))  # empty lines are no rows, and take time all the same
        rest = next(reader, None)
    except (UnicodeDecodeError, csv.Error) as exc:
        raise BadRequest(f"the body is not CSV in UTF-8: {exc}") from exc
    if not lines:
        raise BadRequest("a CSV body starts with a header line", field="header")
    columns, rows = tuple(lines[0]), [line for line in lines[1:] if line]
    check_row_count(max(len(rows), 1))
    if rest is not None:
        raise BadRequest(f"a CSV body has at most {2 * ROWS_MAX} lines, the empty ones included", status=413)
    check_rectangular(rows, len(columns), "row")
    return RequestTable(columns, rows, textual=True)


MLFLOW = WireProtocol("mlflow", read_request, error_body)
