"""Checks request rows against a model's input schema. Written by hand because every request passes through it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.rows.refusals import BadRequest
from gateway.rows.table import RequestTable
from releases.manifest import Column, InputSchema

_LONG_MIN, _LONG_MAX = -(2**63), 2**63 - 1
_PLANS_MAX = 64  # column orders remembered for one schema; clients have few
_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0"})
_KEY_CHARACTERS_MAX = 256


@dataclass(frozen=True, slots=True)
class BoundRows:
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


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where each schema column stands in a request's row, and where its key does."""

    order: tuple[int, ...]
    key: int | None
    as_is: bool


class Binder:
    """Binds tables to one schema. One instance a schema: see `binder_of`."""

    def __init__(self, schema: InputSchema) -> None:
        self.schema = schema
        self._checks = [(i, _CHECKS[c.type], c) for i, c in enumerate(schema.columns)]
        self._plans: dict[tuple[tuple[str, ...], frozenset[str]], _Plan] = {}

    def bind(self, table: RequestTable, also_known: frozenset[str] = frozenset()) -> BoundRows:
        """The table in this schema's order; BadRequest names the row and column that do not fit.

        `also_known` are columns of other active versions, which a client may send to all of them.
        """
        plan = self._plan(table, also_known)
        rows: Sequence[Sequence[Any]] = table.rows
        if not plan.as_is:
            rows = [[row[i] for i in plan.order] for row in table.rows]
        if table.textual:
            rows = [[_read_text(c, text) for c, text in zip(self.schema.columns, row, strict=True)] for row in rows]
        for number, row in enumerate(rows):
            for index, fits, column in self._checks:
                value = row[index]
                if not (fits(value) or (value is None and column.nullable)):
                    raise _misfit(number, column, value)
        keys = [None] * len(rows) if plan.key is None else [self._key(row[plan.key]) for row in table.rows]
        return BoundRows(rows, keys)

    def _plan(self, table: RequestTable, also_known: frozenset[str]) -> _Plan:
        columns = self.schema.names if table.columns is None else table.columns
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
        names = self.schema.names
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
        return _Plan(order, key, as_is=order == tuple(range(len(columns))))

    def _key(self, value: Any) -> str | None:
        if value is None or (type(value) is str and 0 < len(value) <= _KEY_CHARACTERS_MAX):
            return value
        if _is_long(value):
            return str(value)
        name = self.schema.key
        raise BadRequest(f"key {name!r} is a string of 1 to {_KEY_CHARACTERS_MAX} characters or a number", field=name)


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
