"""The reference of a table: medians and modes, usual shares of missing values, and values that other columns determine.

It is written once from days that a person trusts, stored in the pipeline's folder, and reviewed like code. A baseline
that follows the data would follow a fault too.
"""

import functools
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from healing.errors import ConfigError, UsageError
from releases.files import write_atomically
from tasks.config.pipeline import Pipeline
from tasks.config.table import Table
from tasks.lake.columns import BATCH_DAY
from tasks.lake.lake_root import LakeRoot
from tasks.lake.lake_table import LakeTable

if TYPE_CHECKING:
    import pandas as pd

CATEGORIES_MAX = 1000  # a column with more distinct values is not categorical
_SEPARATOR = "|"  # between the values of a group


class NumberReference(BaseModel):
    """A column of numbers. `scale` is the median of absolute values; another unit is recognised by it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    median: float
    scale: float = Field(ge=0)
    null_share_max: float = Field(ge=0, le=1, description="Of the worst of the days.")


class TextReference(BaseModel):
    """A column of text. `categories` is empty where there are too many distinct values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: str
    categories: tuple[str, ...] = ()
    null_share_max: float = Field(ge=0, le=1, description="Of the worst of the days.")


class TableReference(BaseModel):
    """One table on usual days. `determined` maps a column, and the values of other columns, to its one value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: str
    until: str
    rows: int = Field(ge=1)
    numbers: dict[str, NumberReference] = Field(default_factory=dict)
    texts: dict[str, TextReference] = Field(default_factory=dict)
    determined: dict[str, dict[str, float]] = Field(default_factory=dict)

    def typical(self, column: str) -> float | str | None:
        """The median of a number, the mode of a text; None where the column never had a value."""
        if column in self.numbers:
            return self.numbers[column].median
        return self.texts[column].mode if column in self.texts else None

    def null_share_max(self, column: str) -> float | None:
        """The share of missing values on the worst day; None where the reference lacks the column."""
        usual = self.numbers.get(column) or self.texts.get(column)
        return None if usual is None else usual.null_share_max

    def determined_values(self, column: str, by: Sequence[str], rows: "pd.DataFrame") -> "pd.Series[float]":
        """Per row the value of `column` that the columns `by` determine; NaN where their combination is new."""
        return _group_texts(by, rows).map(self.determined.get(column, {})).astype("float64")


def write_references(
    pipeline: Pipeline, lake_root: LakeRoot, since: date, until: date
) -> list[tuple[Path, TableReference]]:
    """Describe every table that names a reference, from its rows in the lake, and write it to the pipeline's folder.

    UsageError when a table has no rows of the days [since, until].
    """
    written = []
    for name, table in pipeline.tables.items():
        path = pipeline.reference_file(name)
        if path is None:
            continue
        rows = LakeTable(lake_root, name, table.key).read(since=since, until=until)
        if rows.empty:
            raise UsageError(f"expected rows of {name} from {since} to {until} in the lake, found none; ingest them")
        found = describe(table, rows, rows[BATCH_DAY])
        write_atomically(path, (found.model_dump_json(indent=1) + "\n").encode())
        written.append((path, found))
    read_reference.cache_clear()
    return written


def describe(table: Table, rows: "pd.DataFrame", days: "pd.Series[Any]") -> TableReference:
    """The reference of `rows` in the contract's types; `days` holds the batch's day of each row."""
    numbers: dict[str, NumberReference] = {}
    texts: dict[str, TextReference] = {}
    for name in table.content:
        known = rows[name].dropna()
        if known.empty:
            continue
        worst = float(rows[name].isna().groupby(days.to_numpy()).mean().max())
        if table.columns[name] in ("double", "long"):
            numbers[name] = _number_reference(known.astype("float64"), worst)
        elif table.columns[name] == "string":
            texts[name] = _text_reference(known, worst)
    return TableReference(
        since=str(min(days)),
        until=str(max(days)),
        rows=len(rows),
        numbers=numbers,
        texts=texts,
        determined={name: _medians(name, by, rows) for name, by in table.determined.items()},
    )


@functools.lru_cache(maxsize=32)
def read_reference(path: Path) -> TableReference:
    """The reference in a file; ConfigError when the file is not one."""
    try:
        return TableReference.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as exc:
        raise ConfigError(
            f"{path}: expected the reference of a table, found {exc}; write it with `autopilot reference`"
        ) from exc


def _number_reference(values: "pd.Series[float]", null_share_max: float) -> NumberReference:
    return NumberReference(
        median=float(values.median()), scale=float(values.abs().median()), null_share_max=null_share_max
    )


def _text_reference(values: "pd.Series[Any]", null_share_max: float) -> TextReference:
    counts = values.value_counts()
    categories = sorted(counts.index) if len(counts) <= CATEGORIES_MAX else []
    return TextReference(mode=str(counts.index[0]), categories=tuple(categories), null_share_max=null_share_max)


def _medians(name: str, by: Sequence[str], rows: "pd.DataFrame") -> dict[str, float]:
    medians = rows[name].astype("float64").groupby(_group_texts(by, rows)).median().dropna()
    return {str(group): float(value) for group, value in medians.items()}


def _group_texts(by: Sequence[str], rows: "pd.DataFrame") -> "pd.Series[str]":
    """The values of the columns `by` as one text per row; missing where one of them is."""
    first, *others = (rows[name].astype(object) for name in by)
    text = first.astype("string")
    for other in others:
        text = text + _SEPARATOR + other.astype("string")
    return text.astype(object)
