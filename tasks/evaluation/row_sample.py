"""Bounded samples of rows: each day, and each class of a day, keeps its share; a hash of the key chooses the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_HASH_KEY = "autopilot-sample"  # 16 characters; another one chooses other rows


@dataclass(frozen=True, slots=True)
class RowSample:
    """How many rows were used, `of` how many.

    >>> str(RowSample(200_000, 800_000))
    '200,000 of 800,000 (25%)'
    """

    rows: int
    of: int

    @property
    def share(self) -> float:
        """Used rows per row."""
        return self.rows / self.of if self.of else 1.0

    @property
    def is_whole(self) -> bool:
        """Whether all rows were used."""
        return self.rows == self.of

    def __str__(self) -> str:
        return f"{self.rows:,} of {self.of:,} ({self.share:.0%})"


def sample_positions(keys: "pd.Series[str]", strata: Sequence["pd.Series[Any]"], rows_max: int) -> "NDArray[np.intp]":
    """Ascending positions of at most `rows_max` rows; all rows if they are not more.

    Rows are sorted by `strata` and by a hash of the key, and taken at equal distances. So each stratum, and each value
    of the first one, keeps its share of the rows to within one row. The same rows give the same sample in any order.
    """
    import numpy as np
    import pandas as pd

    rows = len(keys)
    if rows <= rows_max:
        return np.arange(rows)
    hashes = pd.util.hash_array(keys.to_numpy(dtype=object), hash_key=_HASH_KEY, categorize=False)
    codes = [pd.factorize(stratum, sort=True)[0] for stratum in strata]
    order = np.lexsort([hashes, *reversed(codes)])
    taken: NDArray[np.intp] = order[np.arange(rows_max) * rows // rows_max]
    return np.sort(taken)
