"""Ways to spoil a batch in CSV: other columns, other values, other rows, or no CSV at all. Pure, and seeded."""

import csv
import io
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

__all__ = ["CHANGES", "SpoilOrder", "spoil"]

ERROR_PAGE = "error_page"  # the whole document is a page of HTML, with status 200
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}")
_PAGE = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body><h1>502</h1></body></html>\n"
Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class SpoilOrder:
    """How to spoil: the change, the column that it is about, and the share of rows that a seeded choice takes."""

    change: str
    column: str = ""
    to: str = ""  # the new name of the column
    factor: float = 1.0
    days: int = 0
    share: float = 1.0
    seed: int = 0


@dataclass(slots=True)
class _Batch:
    columns: list[str]
    rows: list[Row]
    order: SpoilOrder

    def chosen(self) -> list[int]:
        """The numbers of the rows that are spoiled: at least one of those there are."""
        count = min(len(self.rows), max(1, round(self.order.share * len(self.rows))))
        return sorted(random.Random(self.order.seed).sample(range(len(self.rows)), count))  # noqa: S311

    def write(self) -> bytes:
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue().encode()


def spoil(content: bytes, order: SpoilOrder) -> bytes:
    """The content after the change. LookupError for a change or a column that does not exist."""
    if order.change == ERROR_PAGE:
        return _PAGE
    if order.change not in CHANGES:
        known = ", ".join((*CHANGES, ERROR_PAGE))
        raise LookupError(f"expected a change among {known}, found {order.change!r}")
    reader = csv.DictReader(io.StringIO(content.decode()))
    rows = list(reader)
    columns = list(reader.fieldnames or ())
    if order.column and order.column not in columns:
        raise LookupError(f"expected a column among {', '.join(columns)}, found {order.column!r}")
    batch = _Batch(columns, rows, order)
    CHANGES[order.change](batch)
    return batch.write()


def _rename(batch: _Batch) -> None:
    old, new = batch.order.column, batch.order.to
    batch.columns = [new if name == old else name for name in batch.columns]
    batch.rows = [{new if name == old else name: value for name, value in row.items()} for row in batch.rows]


def _drop(batch: _Batch) -> None:
    batch.columns.remove(batch.order.column)
    for row in batch.rows:
        del row[batch.order.column]


def _reorder(batch: _Batch) -> None:
    batch.columns.reverse()


def _null(batch: _Batch) -> None:
    for number in batch.chosen():
        batch.rows[number][batch.order.column] = ""


def _retype(batch: _Batch) -> None:
    for number in batch.chosen():
        batch.rows[number][batch.order.column] = "unknown"


def _scale(batch: _Batch) -> None:
    for number in batch.chosen():
        value = batch.rows[number][batch.order.column]
        if value:
            batch.rows[number][batch.order.column] = f"{float(value) * batch.order.factor:.12g}"


def _shuffle(batch: _Batch) -> None:
    """Every value exists, but stands in another row."""
    chosen = batch.chosen()
    values = [batch.rows[number][batch.order.column] for number in chosen]
    random.Random(batch.order.seed).shuffle(values)  # noqa: S311
    for number, value in zip(chosen, values, strict=True):
        batch.rows[number][batch.order.column] = value


def _postpone(batch: _Batch) -> None:
    """Every date in every column, keys included, is so many days later."""
    later = timedelta(days=batch.order.days)

    def moved(value: str) -> str:
        return _DATE.sub(lambda found: str(date.fromisoformat(found[0]) + later), value)

    batch.rows = [{name: moved(value) for name, value in row.items()} for row in batch.rows]


def _lowest(batch: _Batch) -> None:
    """Only the share of rows with the lowest numbers in the column."""
    column = batch.order.column
    ranked = sorted(batch.rows, key=lambda row: float(row[column] or "inf"))
    kept = {id(row) for row in ranked[: max(1, round(batch.order.share * len(ranked)))]}
    batch.rows = [row for row in batch.rows if id(row) in kept]


def _truncate(batch: _Batch) -> None:
    """The last share of the rows is missing."""
    batch.rows = batch.rows[: len(batch.rows) - max(1, round(batch.order.share * len(batch.rows)))]


def _duplicate(batch: _Batch) -> None:
    batch.rows += [dict(batch.rows[number]) for number in batch.chosen()]


def _empty(batch: _Batch) -> None:
    batch.rows = []


CHANGES: Mapping[str, Callable[[_Batch], None]] = {
    "rename": _rename,
    "drop": _drop,
    "reorder": _reorder,
    "null": _null,
    "retype": _retype,
    "scale": _scale,
    "shuffle": _shuffle,
    "postpone": _postpone,
    "lowest": _lowest,
    "truncate": _truncate,
    "duplicate": _duplicate,
    "empty": _empty,
}
