"""A fault of a batch: how its bytes are spoiled, at which doses, and when it is delivered."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from benchmarks.spoiled.source_year import SourceYear


@dataclass(frozen=True)
class FaultCase:
    """One batch to spoil: its day, the share of its rows, and a seeded random generator."""

    year: SourceYear
    table: str
    day: date
    dose: float
    random: np.random.Generator

    def rows(self) -> pd.DataFrame:
        return self.year.rows(self.table, self.day)

    def chosen(self, rows: pd.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """A mask of the dose's share of the rows, chosen at random; at least one."""
        number = max(1, round(self.dose * len(rows)))
        found = np.zeros(len(rows), dtype=bool)
        found[self.random.permutation(len(rows))[:number]] = True
        return found


Spoil = Callable[[FaultCase], bytes]


@dataclass(frozen=True)
class DataFault:
    """One way in which a batch can be wrong. `doses` are shares of rows; empty where there is only one dose.

    `again` delivers the batch that many times. `ahead` ingests the following day first. `format` is the file's format.
    `harmless` faults change nothing that matters. `seed_name` seeds the random choice of rows, so that a fault keeps
    its results when it is renamed.
    """

    name: str
    spoil: Spoil
    table: str = "flights"
    doses: tuple[float, ...] = ()
    format: str = "csv"
    again: int = 1
    ahead: bool = False
    harmless: bool = False
    seed_name: str | None = None


def as_csv(rows: pd.DataFrame) -> bytes:
    """Rows of text as a source writes them."""
    return rows.to_csv(index=False).encode()
