"""The days before a batch: how many rows each had, and a fingerprint of its content.

They show whether a batch is a whole day, and whether it is a copy of another day.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, cast

from tasks.config.contract_section import Contract
from tasks.config.table import Table
from tasks.lake.columns import BATCH_DAY
from tasks.lake.lake_table import LakeTable

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class BatchHistory:
    """Number of rows by day, and a fingerprint of each day's content."""

    rows: Mapping[date, int] = field(default_factory=dict)
    fingerprints: Mapping[date, int] = field(default_factory=dict)

    def usual_rows(self, day: date, contract: Contract) -> float | None:
        """The median of the same weekday in the weeks before; None where too few of them are known."""
        weekdays = (day - timedelta(weeks=week) for week in range(1, contract.history_weeks + 1))
        found = [self.rows[before] for before in weekdays if before in self.rows]
        return median(found) if len(found) >= contract.history_weekdays_min else None

    def day_with(self, content: int, *, other_than: date) -> date | None:
        """Another day with the same fingerprint."""
        days = (day for day, known in sorted(self.fingerprints.items()) if known == content and day != other_than)
        return next(days, None)


def read_history(lake: LakeTable, table: Table, contract: Contract, days: Sequence[date]) -> BatchHistory:
    """The weeks before `days` from the lake. Empty, and nothing is read, where no rule of the table needs it."""
    if (table.volume is None and not table.distinct_days) or not days or lake.version() is None:
        return BatchHistory()
    columns = [BATCH_DAY, *(table.content if table.distinct_days else ())]
    since = min(days) - timedelta(weeks=contract.history_weeks + 1)
    stored = lake.read(since=since, until=max(days), columns=columns)
    by_day = stored[BATCH_DAY].to_numpy()
    rows = cast("dict[date, int]", stored[BATCH_DAY].value_counts().to_dict())
    if not table.distinct_days:
        return BatchHistory(rows)
    fingerprints = cast("dict[date, int]", _hashes(table, stored).groupby(by_day).sum().to_dict())
    return BatchHistory(rows, fingerprints)


def fingerprint(table: Table, rows: "pd.DataFrame") -> int:
    """A number that is equal for rows with the same content in any order; keys and times do not count."""
    return int(_hashes(table, rows).sum())


def _hashes(table: Table, rows: "pd.DataFrame") -> "pd.Series[Any]":
    import pandas as pd

    content = pd.DataFrame({name: _comparable(table, name, rows) for name in table.content}, index=rows.index)
    return pd.util.hash_pandas_object(content, index=False)


def _comparable(table: Table, name: str, rows: "pd.DataFrame") -> "pd.Series[Any]":
    """A column in one type, whether it was read from the lake or cast from text."""
    if table.columns[name] == "string":
        return rows[name].astype(object).where(rows[name].notna(), "")
    return rows[name].astype("Float64").astype("float64")
