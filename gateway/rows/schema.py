"""Checks request rows against a model's input schema. Written by hand because every request passes through it."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import hypot
from operator import itemgetter
from typing import Any, NamedTuple

from gateway.rows.refusals import BadRequest
from gateway.rows.table import RequestTable
from releases.manifest import Column, InputSchema

_LONG_MIN, _LONG_MAX = -(2**63), 2**63 - 1
_NUMBER_SAFE = 2.0**62  # below it a number is finite and fits a long, whatever the rounding of its row's norm
_PLANS_MAX = 64  # column orders remembered for one schema; clients have few
_KINDS_MAX = 256  # types of rows remembered for one schema: one column with gaps doubles them
_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0"})
_KEY_CHARACTERS_MAX = 256


class BoundRows(NamedTuple):
    """Rows in the schema's order and types, and each row's key (None where the request has none)."""

    rows: Sequence[Sequence[Any]]
    keys: Sequence[str | None]


def _is_string(value: Any) -> bool:
    return type(value) is str


def _is_double(value: Any) -> bool:
    kind = type(value)
    return (kind is float and math.isfinite(value)) or (kind is int and abs(value) <= _LONG_MAX)


def _is_long(value: Any) -> bool:
    return type(value) is int and _LONG_MIN <= value <= _LONG_MAX


def _is_boolean(value: Any) -> bool:
    return type(value) is bool


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "string": _is_string,
    "double": _is_double,
    "long": _is_long,
    "boolean": _is_boolean,
}


def _read_text(column: Column, text: str) -> Any:
    """A CSV field as the column's type; text that is not of that type is returned as it is, and refused later."""
    if text == "":
        return None
    try:
        match column.type:
            # Python reads 1_000 as a number, and nobody else does.
            case "double" if "_" not in text:
                return float(text)
            case "long" if "_" not in text:
                return int(text)
            case "boolean":
                lowered = text.strip().lower()
                return True if lowered in _TRUE else False if lowered in _FALSE else text
            case _:
                return text
    except ValueError:
        return text


class _Plan(NamedTuple):
    """Where each schema column stands in a request's row, and where its key does."""

    order: Callable[[Sequence[Any]], Sequence[Any]] | None  # None where a row is in order as it is
    key: int | None


_Kinds = tuple[type, ...]  # the types of the values of a row
_Numbers = Callable[[Sequence[Any]], Sequence[float]]  # the numbers of a row whose values have known types


class Binder:
    """Binds tables to one schema. One instance a schema: see `binder_of`."""

    def __init__(self, schema: InputSchema) -> None:
        self.schema = schema
        self.names = schema.names
        self._checks = [(i, _CHECKS[c.type], c) for i, c in enumerate(schema.columns)]
        self._plans: dict[tuple[tuple[str, ...], frozenset[str]], _Plan] = {}
        self._sound: dict[_Kinds, _Numbers] = {}

    def bind(self, table: RequestTable, also_known: frozenset[str] = frozenset()) -> BoundRows:
        """The table in this schema's order; BadRequest names the row and column that do not fit.

        `also_known` are columns of other active versions, which a client may send to all of them.
        """
        plan = self._plan(table, also_known)
        rows: Sequence[Sequence[Any]] = table.rows
        if plan.order is not None:
            rows = [plan.order(row) for row in rows]
        if table.textual:
            rows = [[_read_text(c, text) for c, text in zip(self.schema.columns, row, strict=True)] for row in rows]
        for number, row in enumerate(rows):
            kinds = tuple(map(type, row))
            numbers = self._sound.get(kinds)
            if numbers is None or not hypot(*numbers(row)) < _NUMBER_SAFE:
                self._check(number, row, kinds)
        keys = [None] * len(rows) if plan.key is None else [self._key(row[plan.key]) for row in table.rows]
        return BoundRows(rows, keys)

    def _check(self, number: int, row: Sequence[Any], kinds: _Kinds) -> None:
        """Check value by value, and remember the types of a row that is right: nearly all rows have the same ones.

        Of a row with known types only the size of its numbers is left to check. Their Euclidean norm does that for all
        of them at once: it is at least as large as each, and not finite where one of them is not.
        """
        for index, fits, column in self._checks:
            value = row[index]
            if not (fits(value) or (value is None and column.nullable)):
                raise _misfit(number, column, value)
        if kinds not in self._sound and len(self._sound) < _KINDS_MAX:
            self._sound[kinds] = _several(tuple(i for i, kind in enumerate(kinds) if kind in (int, float)))

    def _plan(self, table: RequestTable, also_known: frozenset[str]) -> _Plan:
        columns = self.names if table.columns is None else table.columns
        plan = self._plans.get((columns, also_known))
        if plan is None:
            plan = self._make_plan(columns, also_known)
            if len(self._plans) < _PLANS_MAX:
                self._plans[columns, also_known] = plan
        if table.columns is None and len(table.rows[0]) != len(columns):
            raise BadRequest(f"a row without names has {len(columns)} values, found {len(table.rows[0])}", field="[0]")
        return plan

    def _make_plan(self, columns: tuple[str, ...], also_known: frozenset[str]) -> _Plan:
        places = {name: i for i, name in enumerate(columns)}
        names = self.names
        if len(places) != len(columns):
            twice = next(name for name in columns if columns.count(name) > 1)
            raise BadRequest(f"column {twice!r} is there twice", field=twice)
        for name in names:
            if name not in places:
                raise BadRequest(f"column {name!r} is missing; the model reads {', '.join(names)}", field=name)
        for name in columns:
            if name not in names and name != self.schema.key and name not in also_known:
                raise BadRequest(f"column {name!r} is unknown; the model reads {', '.join(names)}", field=name)
        order = tuple(places[name] for name in names)
        key = None if self.schema.key is None else places.get(self.schema.key)
        return _Plan(None if order == tuple(range(len(columns))) else _several(order), key)

    def _key(self, value: Any) -> str | None:
        if value is None or (type(value) is str and 0 < len(value) <= _KEY_CHARACTERS_MAX):
            return value
        if _is_long(value):
            return str(value)
        name = self.schema.key
        raise BadRequest(f"key {name!r} is a string of 1 to {_KEY_CHARACTERS_MAX} characters or a number", field=name)


def _several(places: tuple[int, ...]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Gives the values at some places of a row, as a sequence also where there are fewer than two."""
    if len(places) < 2:
        return lambda row: [row[place] for place in places]
    return itemgetter(*places)


@lru_cache(maxsize=32)
def binder_of(schema: InputSchema) -> Binder:
    """The binder of a schema; versions with equal schemas share it, and with it the rows that were bound."""
    return Binder(schema)


def _misfit(row: int, column: Column, value: Any) -> BadRequest:
    nullable = " or null" if column.nullable else ""
    found = "null" if value is None else f"{type(value).__name__} {value!r}"[:80]
    return BadRequest(
        f"row {row}, column {column.name!r}: expected {column.type}{nullable}, found {found}", field=column.name
    )
