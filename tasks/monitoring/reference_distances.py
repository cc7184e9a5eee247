"""Distances of a window's columns to the reference, and reference distances: how far the reference's own blocks lie.

A reference distance is the leave-one-block-out distance of one block to the rest of the reference. It shows how much a
column moves without drift: weather differs from week to week. Distances between random subsamples would be smaller,
because rows that follow each other in time are not independent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.lake.columns import BATCH_DAY
from tasks.monitoring.distances import ColumnKind, ComparableColumn, columns_of, distance, missing_distance
from tasks.monitoring.prediction_interval import tail_probability, upper_limit

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

BLOCKS_MIN = 4  # with fewer blocks, the spread of the reference distances is not known well enough
_SPREAD_MIN = 0.01  # on the normal scale: keeps tiny deviations from being significant where all blocks are alike
_SEED = 20130101


@dataclass(frozen=True, slots=True)
class ColumnDistance:
    """How far a column of the window lies from the reference.

    `distance` and `reference_distances` use the same measure: Wasserstein in standard deviations of the reference, or
    Jensen-Shannon. `reference_distances` are computed at the window's number of rows. With `missing`, it is the
    distance between the shares of missing values, which the other distances leave out.
    """

    column: str
    distance: float
    reference_distances: tuple[float, ...]
    missing: bool = False

    @property
    def name(self) -> str:
        return f"{self.column} (missing)" if self.missing else self.column

    @property
    def p_value(self) -> float:
        """The chance of a distance at least this large in one more block of the reference.

        A distance is approximately the length of a random vector, and the 2/3rd power of such a length is approximately
        normal (the cube root of its square: Wilson & Hilferty 1931). On that scale, Student's prediction interval
        after the reference distances applies.
        """
        return tail_probability(_normal(self.distance), self._normal_references, _SPREAD_MIN)

    def threshold(self, p_value: float) -> float:
        """The distance that has this p-value."""
        return float(upper_limit(p_value, self._normal_references, _SPREAD_MIN) ** 1.5)

    @property
    def _normal_references(self) -> list[float]:
        return [_normal(each) for each in self.reference_distances]


@dataclass(frozen=True, slots=True)
class ReferenceBlocks:
    """The columns of the reference rows, and the number of the block that each row belongs to.

    A block has as many days as a window, counted back from the last day. Rows before the first whole block have block
    -1; they only count as part of the rest.
    """

    columns: Mapping[str, ComparableColumn]
    kinds: Mapping[str, ColumnKind]
    block: "NDArray[np.int64]"

    @classmethod
    def of(cls, rows: "pd.DataFrame", kinds: Mapping[str, ColumnKind], window_days: int) -> "ReferenceBlocks":
        """Prepare the columns of `rows` (with `event_day`) once, for all windows that are compared with them."""
        return cls(columns_of(rows, kinds), kinds, block_numbers(rows[BATCH_DAY], window_days))

    def distances(self, rows: int) -> dict[str, list[tuple[float, float]]]:
        """Per column, the distances of each block to the rest: of the values, and of the shares of missing values.

        Each block is thinned to `rows`, because a small sample has a larger distance by chance alone.
        """
        import numpy as np

        found: dict[str, list[tuple[float, float]]] = {column: [] for column in self.columns}
        for number in range(int(self.block.max(initial=-1)) + 1):
            inside = self.block == number
            if not inside.any() or inside.all():
                continue
            thinned = np.zeros_like(inside)
            thinned[_thinned(np.flatnonzero(inside), rows)] = True
            for name, column in self.columns.items():
                block, rest = column.only(thinned), column.only(~inside)
                found[name].append((distance(block, rest), missing_distance(block, rest)))
        return found


def measure(window: "pd.DataFrame", reference: ReferenceBlocks) -> tuple[ColumnDistance, ...]:
    """The distance of each column of the window to the reference, with its reference distances at the window's size.

    Each column gives two: the distance of its values, and the distance of its share of missing values.
    """
    reference_distances = reference.distances(len(window))
    now = columns_of(window, reference.kinds)
    return tuple(
        ColumnDistance(name, found, tuple(each[place] for each in reference_distances[name]), missing=missing)
        for name, usual in reference.columns.items()
        for place, missing, found in (
            (0, False, distance(now[name], usual)),
            (1, True, missing_distance(now[name], usual)),
        )
    )


def block_numbers(days: "pd.Series[Any]", window_days: int) -> "NDArray[np.int64]":
    """The number of each row's block of `window_days` days, counted back from the last day; -1 before the first."""
    import numpy as np
    import pandas as pd

    if days.empty:
        return np.zeros(0, dtype=np.int64)
    codes, unique = pd.factorize(days)
    last = days.max()
    ages = np.array([(last - day).days for day in unique], dtype=np.int64)[codes]
    numbers: NDArray[np.int64] = ages // window_days
    whole = (int(ages.max()) + 1) // window_days
    return np.where(numbers < whole, numbers, -1)


def _normal(distance: float) -> float:
    return float(max(distance, 0.0) ** (2 / 3))


def _thinned(rows: "NDArray[np.int64]", count: int) -> "NDArray[np.int64]":
    """At most `count` of the row numbers; the same selection on every call."""
    import numpy as np

    return rows if len(rows) <= count else np.random.default_rng(_SEED).choice(rows, count, replace=False)
