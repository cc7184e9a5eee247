"""The year 2013 as a source would send it: rows of text, one day at a time."""

import functools
from dataclasses import dataclass
from datetime import date

import pandas as pd

from pipelines.flights.archive import FIRST_DAY, LAST_DAY, DailyTable, as_csv, read_year
from tasks.ingestion.sources import csv_rows


@dataclass(frozen=True)
class SourceYear:
    """All batches of the year, by table."""

    tables: dict[str, DailyTable]

    def content(self, table: str, day: date) -> bytes:
        """The day's batch as bytes; a day outside of the year has only a header."""
        return as_csv(self.tables[table].day(day))

    def rows(self, table: str, day: date) -> pd.DataFrame:
        """The day's batch as rows of text, None where a value is missing."""
        rows: pd.DataFrame = csv_rows.read(self.content(table, day)).to_pandas()
        return rows

    @property
    def days(self) -> tuple[date, date]:
        return FIRST_DAY, LAST_DAY


@functools.cache
def source_year() -> SourceYear:
    """The year, read once per process."""
    return SourceYear(read_year())
