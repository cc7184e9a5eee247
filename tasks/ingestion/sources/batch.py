"""What a source gives: one day of one table, as the bytes that came and as rows of text."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from tasks.config.pipeline import Table
from tasks.ingestion.sources.retry import Deadline

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Batch:
    """One day of one table as its source sent it. `rows` holds text, None where a value is missing.

    `content` is what came over the wire, and `suffix` says what it is: `csv`, `json.gz`, or `zip` for a batch of
    several pages or files, each a member of the archive.
    """

    table: str
    day: date
    source: str
    content: bytes
    rows: "pd.DataFrame"
    suffix: str = "csv"

    @property
    def id(self) -> str:
        return batch_id(self.table, self.day)


class Days(BaseModel):
    """The days that a source can serve now, both included. `last` before `first` means none."""

    model_config = ConfigDict(frozen=True)

    first: date
    last: date


def without_today(days: Days, zone: ZoneInfo) -> Days:
    """The days that are over in `zone`: of today, only the rows until now are there."""
    yesterday = datetime.now(UTC).astimezone(zone).date() - timedelta(days=1)
    return Days(first=days.first, last=min(days.last, yesterday))


def batch_id(table: str, day: date) -> str:
    """How a batch is named everywhere: flights/2013-03-01."""
    return f"{table}/{day}"


class Reader(Protocol):
    """One kind of source. Every failure is a SourceUnavailable that names the source and shows no secret."""

    def days(self) -> Days | None:
        """What it can serve, or None when nothing says so."""
        ...

    def read(self, name: str, table: Table, day: date, deadline: Deadline) -> Batch:
        """One batch, whole."""
        ...

    def close(self) -> None: ...
