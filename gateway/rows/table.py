"""The table that every protocol parses its body into: rows, and the names of their columns."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from gateway.rows.refusals import BadRequest

ROWS_MAX = 10_000
Row = Sequence[Any]


class RequestTable(NamedTuple):
    """Rows as the client sent them. `columns` is None where the rows follow the model's own order; `textual` rows hold
    strings that still have to become numbers."""

    columns: tuple[str, ...] | None
    rows: Sequence[Sequence[Any]]
    textual: bool = False


def check_row_count(count: int) -> None:
    """A request has between one row and ROWS_MAX."""
    if count == 0:
        raise BadRequest("the request has no rows", field="rows")
    if count > ROWS_MAX:
        raise BadRequest(f"a request has at most {ROWS_MAX} rows, found {count}", field="rows", status=413)


def check_rectangular(rows: Sequence[Any], width: int, name: str) -> None:
    """Every row is a list of `width` values; `name` is where the rows stand in the body."""
    for index, row in enumerate(rows):
        if type(row) is not list or len(row) != width:
            found = len(row) if isinstance(row, list) else type(row).__name__
            raise BadRequest(f"{name}[{index}] is a list of {width} values, found {found}", field=f"{name}[{index}]")
