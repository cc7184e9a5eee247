"""Reading rows of a Delta table: some days, some columns, and some keys, in a fixed order or counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

if TYPE_CHECKING:
    import pandas as pd
    from deltalake import DeltaTable

_BATCHES_AHEAD = 2  # decoded beside the chosen rows; Arrow's default of 16 batches of four files takes gigabytes


@dataclass(frozen=True, slots=True)
class Days:
    """Rows whose day, in `column`, is in [since, until]; None is no bound."""

    column: str
    since: date | None = None
    until: date | None = None

    @property
    def expression(self) -> ds.Expression | None:
        """The filter, None for all days."""
        bounds = [ds.field(self.column) >= self.since] if self.since is not None else []
        bounds += [ds.field(self.column) <= self.until] if self.until is not None else []
        if not bounds:
            return None
        return bounds[0] if len(bounds) == 1 else bounds[0] & bounds[1]


def scan(
    table: "DeltaTable",
    days: Days,
    order: Sequence[str],
    columns: Sequence[str] | None = None,
    keys: tuple[str, pa.Array] | None = None,
) -> pa.Table:
    """The rows of these days, sorted by `order`; with `keys`, a column and its values, only the rows with one of them.

    With `keys`, rows are decoded few at a time, so that memory holds the chosen rows and little else.
    """
    data = table.to_pyarrow_dataset()
    known = [name for name in order if name in data.schema.names]
    shown = list(columns) if columns is not None else data.schema.names
    wanted = [*shown, *(name for name in known if name not in shown)]
    if keys is None:
        rows = data.to_table(columns=wanted, filter=days.expression)
    else:
        name, values = keys
        chosen = ds.field(name).isin(values)
        condition = chosen if days.expression is None else days.expression & chosen
        rows = data.scanner(
            columns=wanted, filter=condition, batch_readahead=_BATCHES_AHEAD, fragment_readahead=1
        ).to_table()
    return rows.sort_by([(each, "ascending") for each in known]).select(shown)


def count(table: "DeltaTable", days: Days) -> int:
    """The number of rows of these days."""
    return int(table.to_pyarrow_dataset().count_rows(filter=days.expression))


def day_range(table: "DeltaTable", column: str) -> tuple[date, date] | None:
    """The first and the last day, None without rows. Only this column is read."""
    found = pc.min_max(table.to_pyarrow_dataset().to_table(columns=[column])[column]).as_py()
    return None if found["min"] is None else (found["min"], found["max"])


def exact_frame(rows: pa.Table) -> "pd.DataFrame":
    """The rows as a data frame. Whole numbers with missing values are `Int64`: as floats, those above 2^53 change."""
    import pandas as pd

    frame: pd.DataFrame = rows.to_pandas()
    for field in rows.schema:
        if pa.types.is_integer(field.type) and rows[field.name].null_count:
            frame[field.name] = rows[field.name].to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame
