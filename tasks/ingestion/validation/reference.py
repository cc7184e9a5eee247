"""What is usual in a table: medians and modes, how much is missing, which values a group of columns fixes.

Written once from days that a person trusts, kept beside the pipeline, and reviewed like code: a baseline that follows
the data would follow a fault too.
"""

import functools
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from healing.errors import ConfigError, UsageError
from tasks.config.pipeline import Pipeline
from tasks.config.table import Table
from tasks.lake.columns import BATCH_DAY
from tasks.lake.lake_table import LakeTable

if TYPE_CHECKING:
    import pandas as pd

CATEGORIES_MAX = 1000  # a column with more different values is no category
_BY = "|"  # between the values of a group


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class UsualNumber(_Frozen):
    """A column of numbers. `scale` is the median of absolute values, by which another unit is known."""

    median: float
    scale: float = Field(ge=0)
    null_share_max: float = Field(ge=0, le=1, description="Of the worst of the days.")


class UsualText(_Frozen):
    """A column of text. `categories` is empty where there are too many to tell an unseen one."""

    mode: str
    categories: tuple[str, ...] = ()
    null_share_max: float = Field(ge=0, le=1, description="Of the worst of the days.")


class Reference(_Frozen):
    """One table on its usual days. `determined` maps a column to its one value by the values of others."""

    since: str
    until: str
    rows: int = Field(ge=1)
    numbers: dict[str, UsualNumber] = Field(default_factory=dict)
    texts: dict[str, UsualText] = Field(default_factory=dict)
    determined: dict[str, dict[str, float]] = Field(default_factory=dict)

    def typical(self, column: str) -> float | str | None:
        """The median of a number, the mode of a text; None where the column was always empty."""
        if column in self.numbers:
            return self.numbers[column].median
        return self.texts[column].mode if column in self.texts else None

    def null_share_max(self, column: str) -> float | None:
        """How much was missing on the worst day; None where nothing is known of the column."""
        usual = self.numbers.get(column) or self.texts.get(column)
        return None if usual is None else usual.null_share_max

    def fixed(self, column: str, by: Sequence[str], rows: "pd.DataFrame") -> "pd.Series[float]":
        """For each row the value that the columns `by` fix for `column`; NaN where their combination is new."""
        return _joined(by, rows).map(self.determined.get(column, {})).astype("float64")


def write_references(pipeline: Pipeline, lake_root: Path, since: date, until: date) -> list[tuple[Path, Reference]]:
    """Describe every table that names a reference, by what the lake has of [since, until], into the pipeline's folder.

    UsageError where a table has no rows of these days.
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
        path.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
        written.append((path, found))
    read_reference.cache_clear()
    return written


def describe(table: Table, rows: "pd.DataFrame", days: "pd.Series[Any]") -> Reference:
    """What is usual in `rows`, typed as the contract says; `days` tells each row's batch."""
    numbers: dict[str, UsualNumber] = {}
    texts: dict[str, UsualText] = {}
    for name in table.content:
        known = rows[name].dropna()
        if known.empty:
            continue
        worst = float(rows[name].isna().groupby(days.to_numpy()).mean().max())
        if table.columns[name] in ("double", "long"):
            values = known.astype("float64")
            numbers[name] = UsualNumber(
                median=float(values.median()), scale=float(values.abs().median()), null_share_max=worst
            )
        elif table.columns[name] == "string":
            counts = known.value_counts()
            few = sorted(counts.index) if len(counts) <= CATEGORIES_MAX else []
            texts[name] = UsualText(mode=str(counts.index[0]), categories=tuple(few), null_share_max=worst)
    return Reference(
        since=str(min(days)),
        until=str(max(days)),
        rows=len(rows),
        numbers=numbers,
        texts=texts,
        determined={name: _medians(name, by, rows) for name, by in table.determined.items()},
    )


@functools.lru_cache(maxsize=32)
def read_reference(path: Path) -> Reference:
    """The reference in a file; ConfigError when it is none."""
    try:
        return Reference.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as exc:
        raise ConfigError(
            f"{path}: expected what is usual of a table, found {exc}; write it with `autopilot reference`"
        ) from exc


@functools.lru_cache(maxsize=32)
def read_domain(path: Path) -> frozenset[str]:
    """The values in a file, one a line; ConfigError when it cannot be read or holds none."""
    try:
        values = frozenset(path.read_text(encoding="utf-8").split("\n")) - {""}
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: expected one value a line, found {exc}") from exc
    if not values:
        raise ConfigError(f"{path}: expected one value a line, found none; no row would be good")
    return values


def _medians(name: str, by: Sequence[str], rows: "pd.DataFrame") -> dict[str, float]:
    fixed = rows[name].astype("float64").groupby(_joined(by, rows)).median().dropna()
    return {str(group): float(value) for group, value in fixed.items()}


def _joined(by: Sequence[str], rows: "pd.DataFrame") -> "pd.Series[str]":
    """The values of `by` as one text; missing where one of them is."""
    first, *others = (rows[name].astype(object) for name in by)
    text = first.astype("string")
    for other in others:
        text = text + _BY + other.astype("string")
    return text.astype(object)
