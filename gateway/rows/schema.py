"""Checks request rows against a model's input schema. Written by hand because every request passes through it."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import hypot
from operator import itemgetter
from typing import Any, NamedTuple

from gateway.rows.refusals import BadRequest
from gateway.rows.table import RequestTable
from gateway.rows.values import conversion, fits, is_long, read_text
from releases.manifest import Column, InputSchema

_NUMBER_SAFE = 2.0**62  # below it a number is finite and fits a long, whatever the rounding of its row's norm
_PLANS_MAX = 64  # column orders remembered for one schema; clients have few
_PLAN_NAMES_MAX, _PLAN_CHARACTERS_MAX = 1024, 16_384  # of the columns of a request whose order is remembered
_KINDS_MAX = 256  # types of rows remembered for one schema: one column with gaps doubles them
_KEY_CHARACTERS_MAX = 256
_ABSENT = -1  # the place of a column that a request does not have


class BoundRows(NamedTuple):
    """Rows in the schema's order and types, and each row's key (None where the request has none).

    `ignored` are columns of the request that no active version reads; `absent` are nullable columns of the schema that
    the request does not have, and whose values count as missing.
    """

    rows: Sequence[Sequence[Any]]
    keys: Sequence[str | None]
    ignored: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


class _Plan(NamedTuple):
    """Where each schema column stands in a request's row, and where its key does."""

    order: Callable[[Sequence[Any]], Sequence[Any]] | None  # None where a row is in order as it is
    key: int | None
    ignored: tuple[str, ...]
    absent: tuple[str, ...]


class _KnownRow(NamedTuple):
    """What is left to do with a row whose values have known types: check its `numbers`, and convert some values."""

    numbers: Callable[[Sequence[Any]], Sequence[float]]
    conversions: tuple[tuple[int, Callable[[Any], Any]], ...]


_Kinds = tuple[type, ...]  # the types of the values of a row


class Binder:
    """Binds tables to one schema. One instance a schema: see `binder_of`."""

    def __init__(self, schema: InputSchema) -> None:
        self.schema = schema
        self.names = schema.names
        self._plans: dict[tuple[tuple[str, ...], frozenset[str], bool], _Plan] = {}
        self._known: dict[_Kinds, _KnownRow] = {}

    def bind(
        self, table: RequestTable, also_known: frozenset[str] = frozenset(), *, fill_absent: bool = False
    ) -> BoundRows:
        """The table in this schema's order; BadRequest names the row and column that do not fit.

        `also_known` are columns of other active versions, which a client may send to all of them. With `fill_absent`,
        nullable columns may be absent.
        """
        plan = self._plan(table, also_known, fill_absent)
        rows: Sequence[Sequence[Any]] = table.rows
        if plan.order is not None:
            rows = [plan.order(row) for row in rows]
        if table.textual:
            rows = [[read_text(c.type, text) for c, text in zip(self.schema.columns, row, strict=True)] for row in rows]
        for number, row in enumerate(rows):
            kinds = tuple(map(type, row))
            known = self._known.get(kinds)  # read by index below: by name costs twice as much, for every row
            if known is None or not hypot(*known[0](row)) < _NUMBER_SAFE:
                known = self._check(number, row, kinds)
            if known[1]:
                if rows is table.rows or type(rows) is not list:
                    rows = list(rows)
                rows[number] = self._convert(number, row, known)
        keys = [None] * len(rows) if plan.key is None else [self._key(row[plan.key]) for row in table.rows]
        return BoundRows(rows, keys, plan.ignored, plan.absent)

    def _check(self, number: int, row: Sequence[Any], kinds: _Kinds) -> _KnownRow:
        """Check value by value, and remember the types of a row that is right: nearly all rows have the same ones.

        Of a row with known types only the size of its numbers is left to check. Their Euclidean norm does that for all
        of them at once: it is at least as large as each, and not finite where one of them is not.
        """
        for column, value in zip(self.schema.columns, row, strict=True):
            if not (column.nullable if value is None else fits(column.type, value)):
                raise _misfit(number, column, value)
        known = self._known.get(kinds) or self._known_row(kinds)
        if len(self._known) < _KINDS_MAX:
            self._known[kinds] = known
        return known

    def _known_row(self, kinds: _Kinds) -> _KnownRow:
        conversions = (
            (i, conversion(c.type, kind)) for i, (c, kind) in enumerate(zip(self.schema.columns, kinds, strict=True))
        )
        return _KnownRow(
            _several(tuple(i for i, kind in enumerate(kinds) if kind in (int, float))),
            tuple((i, convert) for i, convert in conversions if convert is not None),
        )

    def _convert(self, number: int, row: Sequence[Any], known: _KnownRow) -> list[Any]:
        converted = list(row)
        for index, convert in known.conversions:
            try:
                converted[index] = convert(row[index])
            except ValueError as exc:
                raise _misfit(number, self.schema.columns[index], row[index]) from exc
        return converted

    def _plan(self, table: RequestTable, also_known: frozenset[str], fill_absent: bool) -> _Plan:
        columns = self.names if table.columns is None else table.columns
        plan = self._plans.get((columns, also_known, fill_absent))
        if plan is None:
            plan = self._make_plan(columns, also_known, fill_absent)
            short = len(columns) <= _PLAN_NAMES_MAX and sum(map(len, columns)) <= _PLAN_CHARACTERS_MAX
            if short and len(self._plans) < _PLANS_MAX:
                self._plans[columns, also_known, fill_absent] = plan
        if table.columns is None and len(table.rows[0]) != len(columns):
            raise BadRequest(f"a row without names has {len(columns)} values, found {len(table.rows[0])}", field="[0]")
        return plan

    def _make_plan(self, columns: tuple[str, ...], also_known: frozenset[str], fill_absent: bool) -> _Plan:
        places = {name: i for i, name in enumerate(columns)}
        names = self.names
        if len(places) != len(columns):
            twice = next(name for i, name in enumerate(columns) if places[name] != i)
            raise BadRequest(f"column {twice!r} is there twice", field=twice)
        absent = tuple(column.name for column in self.schema.columns if column.name not in places)
        required = [c.name for c in self.schema.columns if c.name in absent and not (c.nullable and fill_absent)]
        if required or len(absent) == len(names):
            name = (required or absent)[0]
            raise BadRequest(f"column {name!r} is missing; the model reads {', '.join(names)}", field=name)
        read = {*names, self.schema.key, *also_known}
        order = tuple(places.get(name, _ABSENT) for name in names)
        key = None if self.schema.key is None else places.get(self.schema.key)
        ignored = tuple(name for name in columns if name not in read)
        return _Plan(None if order == tuple(range(len(columns))) else _several(order), key, ignored, absent)

    def _key(self, value: Any) -> str | None:
        if value is None or (type(value) is str and 0 < len(value) <= _KEY_CHARACTERS_MAX):
            return value
        if is_long(value):
            return str(value)
        name = self.schema.key
        raise BadRequest(f"key {name!r} is a string of 1 to {_KEY_CHARACTERS_MAX} characters or a number", field=name)


def _several(places: tuple[int, ...]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Gives the values at some places of a row, as a sequence also of fewer than two; None for `_ABSENT`."""
    if _ABSENT in places:
        return lambda row: [None if place == _ABSENT else row[place] for place in places]
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
