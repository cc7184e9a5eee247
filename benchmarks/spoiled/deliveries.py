"""How a spoiled batch is delivered: its bytes, in place of the day's own, or a day at another time than its turn."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from benchmarks.spoiled.world import World

Generator = np.random.Generator


@dataclass(frozen=True)
class Spoiling:
    """What is known when a batch is spoiled: the day, the share of its rows, and a seeded source of chance."""

    world: World
    table: str
    day: date
    dose: float
    chance: Generator

    def rows(self) -> pd.DataFrame:
        return self.world.rows(self.table, self.day)

    def chosen(self, rows: pd.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """The dose's share of the rows, at random; at least one."""
        number = max(1, round(self.dose * len(rows)))
        found = np.zeros(len(rows), dtype=bool)
        found[self.chance.permutation(len(rows))[:number]] = True
        return found


Spoil = Callable[[Spoiling], bytes]


@dataclass(frozen=True)
class Fault:
    """One way in which a batch can be wrong. `doses` are shares of rows, empty where it is all or nothing.

    `again` delivers the batch that many times; `ahead` takes the following day in before it. `format` is the file's.
    """

    name: str
    spoil: Spoil
    table: str = "flights"
    doses: tuple[float, ...] = ()
    format: str = "csv"
    again: int = 1
    ahead: bool = False
    harmless: bool = False


def as_csv(rows: pd.DataFrame) -> bytes:
    """Rows of text as a source writes them."""
    return rows.to_csv(index=False).encode()
