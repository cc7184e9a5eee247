"""What the days before held: how many rows, and which, so that a day can be told from a part of one and from a copy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, cast

from tasks.config.table import Table
from tasks.lake.columns import BATCH_DAY
from tasks.lake.lake_table import LakeTable

if TYPE_CHECKING:
    import pandas as pd

WEEKS = 4  # of the same weekday: recent enough to follow a season, enough for a median
_DAYS = 7 * WEEKS + 7
_WEEKDAYS_MIN = 2  # one day may have been an odd one itself


@dataclass(frozen=True)
class Past:
    """Rows by day, and a fingerprint of each day's content."""

    rows: Mapping[date, int] = field(default_factory=dict)
    prints: Mapping[date, int] = field(default_factory=dict)

    def usual_rows(self, day: date) -> float | None:
        """The median of the same weekday in the weeks before; None where too few of them are known."""
        found = [
            self.rows[before] for week in range(1, WEEKS + 1) if (before := day - timedelta(weeks=week)) in self.rows
        ]
        return median(found) if len(found) >= _WEEKDAYS_MIN else None

    def same_as(self, content: int, day: date) -> date | None:
        """Another day with the same content."""
        return next((other for other, known in sorted(self.prints.items()) if known == content and other != day), None)

    def with_day(self, day: date, rows: int, content: int | None) -> "Past":
        """This past and one more day."""
        prints = dict(self.prints) if content is None else {**self.prints, day: content}
        return Past({**self.rows, day: rows}, prints)


def read_past(lake: LakeTable, table: Table, days: Sequence[date]) -> Past:
    """The weeks before `days`, as far as they are in the lake; not read where the contract asks nothing of them."""
    if (table.volume is None and not table.distinct_days) or not days or lake.version() is None:
        return Past()
    columns = [BATCH_DAY, *(table.content if table.distinct_days else ())]
    stored = lake.read(since=min(days) - timedelta(days=_DAYS), until=max(days), columns=columns)
    by_day = stored[BATCH_DAY].to_numpy()
    rows = cast("dict[date, int]", stored[BATCH_DAY].value_counts().to_dict())
    if not table.distinct_days:
        return Past(rows)
    prints = cast("dict[date, int]", _hashes(table, stored).groupby(by_day).sum().to_dict())
    return Past(rows, prints)


def fingerprint(table: Table, rows: "pd.DataFrame") -> int:
    """A number that rows with the same content have in common, in any order; keys and times do not count."""
    return int(_hashes(table, rows).sum())


def _hashes(table: Table, rows: "pd.DataFrame") -> "pd.Series[Any]":
    import pandas as pd

    content = pd.DataFrame({name: _plain(table, name, rows) for name in table.content}, index=rows.index)
    return pd.util.hash_pandas_object(content, index=False)


def _plain(table: Table, name: str, rows: "pd.DataFrame") -> "pd.Series[Any]":
    """One type for a column, whether it comes from the lake or was cast just now."""
    if table.columns[name] == "string":
        return rows[name].astype(object).where(rows[name].notna(), "")
    return rows[name].astype("Float64").astype("float64")
