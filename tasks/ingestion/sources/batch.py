"""A batch: one day of one table, as the bytes that a source sent and as rows of text."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from tasks.config.table import Table
from tasks.ingestion.sources.retry import Deadline

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Batch:
    """One day of one table as its source sent it. `text` holds only text, null where a value is missing.

    `original` are the bytes that came, and `suffix` is their format: `csv`, `json.gz`, or `zip` for several pages or
    files, each a member of the archive. The rows of one day of a file with many days are the original themselves.
    """

    table: str
    day: date
    source: str
    original: bytes | pa.Table
    text: pa.Table
    suffix: str = "csv"

    @property
    def id(self) -> str:
        return batch_id(self.table, self.day)

    @property
    def content(self) -> bytes:
        """The original as bytes: rows of a file with many days as CSV, which a person can inspect."""
        return self.original if isinstance(self.original, bytes) else _as_csv(self.original)

    @cached_property
    def rows(self) -> "pd.DataFrame":
        """The text as a data frame, None where a value is missing."""
        frame: pd.DataFrame = self.text.to_pandas()
        return frame


def _as_csv(rows: pa.Table) -> bytes:
    """The rows as a CSV file; a missing value is an empty field."""
    import pyarrow.csv as pacsv

    written = io.BytesIO()
    pacsv.write_csv(rows, written)
    return written.getvalue()


class ServedDays(BaseModel):
    """The days that a source can serve now, both included. There are none if `last` is before `first`.

    `rows_per_day` is the mean number of rows of one table, None where the source does not know it before it sends them.
    """

    model_config = ConfigDict(frozen=True)

    first: date
    last: date
    rows_per_day: float | None = None


def complete_days(days: ServedDays, zone: ZoneInfo) -> ServedDays:
    """The days that are over in `zone`; of today, the source has only the rows until now."""
    yesterday = datetime.now(UTC).astimezone(zone).date() - timedelta(days=1)
    return days.model_copy(update={"last": min(days.last, yesterday)})


def batch_id(table: str, day: date) -> str:
    """The name of a batch, such as flights/2013-03-01."""
    return f"{table}/{day}"


class Reader(Protocol):
    """One kind of source. Every failure is a SourceUnavailable that names the source and shows no secret."""

    def days(self) -> ServedDays | None:
        """The days that it can serve, or None when it does not report them."""
        ...

    def row_counts(self, name: str, table: Table) -> Mapping[date, int] | None:
        """The number of rows by day, or None when it does not know them without reading each day."""
        ...

    def read(self, name: str, table: Table, day: date, deadline: Deadline) -> Batch:
        """One complete batch."""
        ...

    def close(self) -> None: ...
