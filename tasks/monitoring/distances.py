"""How far a column of one sample lies from another: Evidently's distances to 1e-9, several times faster.

Evidently sorts both sides and searches each in the other anew for every pair (scipy). A column here is sorted, or its
values numbered, once; what is left for a pair is a walk along two sorted arrays, and a part of a column (a block of the
reference, or all but a block) is a mask and not another sort.
"""

import functools
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]  # shape (rows,)

Kind = Literal["numeric", "category"]
DEVIATION_MIN = 0.001  # Evidently's: a constant reference does not make every distance infinite


@dataclass(frozen=True, slots=True)
class Numbers:
    """The finite values of a numeric column in ascending order, and the row of each, None in a part of a column."""

    values: "NDArray[np.float64]"
    rows: int  # missing ones included
    row: "NDArray[np.int64] | None" = None

    @property
    def known(self) -> int:
        return len(self.values)

    def only(self, mask: "Mask") -> "Numbers":
        """The part of a whole column that is in the rows of `mask`; ValueError for a part of a part."""
        if self.row is None:
            raise ValueError("expected a whole column, found a part of one; take the part from the column itself")
        return Numbers(self.values[mask[self.row]], int(mask.sum()))

    def distance(self, reference: "Numbers") -> float:
        """Wasserstein-1 distance in (population) standard deviations of the reference."""
        return _wasserstein(self.values, reference.values) / max(float(reference.values.std()), DEVIATION_MIN)


@dataclass(frozen=True, slots=True)
class Categories:
    """A column of categories by number: the number of each row's value, -1 where there is none."""

    names: tuple[Hashable, ...]
    codes: "NDArray[np.int64]"

    @property
    def rows(self) -> int:
        return len(self.codes)

    @property
    def known(self) -> int:
        return int((self.codes >= 0).sum())

    def only(self, mask: "Mask") -> "Categories":
        """The column of the rows in `mask`."""
        return Categories(self.names, self.codes[mask])

    def counts(self) -> "NDArray[np.int64]":
        """How often each of `names` occurs."""
        import numpy as np

        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))

    def distance(self, reference: "Categories") -> float:
        """Jensen-Shannon distance (nats) of the shares, over the categories of either side."""
        import numpy as np

        places = {name: place for place, name in enumerate(reference.names)}
        here = np.array([places.setdefault(name, len(places)) for name in self.names], dtype=np.int64)
        now, usual = np.zeros(len(places)), np.zeros(len(places))
        np.add.at(now, here, self.counts())
        usual[: len(reference.names)] = reference.counts()
        return _jensen_shannon(now / self.known, usual / reference.known)


Column = Numbers | Categories


def columns_of(rows: "pd.DataFrame", kinds: Mapping[str, Kind]) -> dict[str, Column]:
    """The columns of a frame, ready to be compared."""
    return {
        column: _numbers(rows[column]) if kind == "numeric" else _categories(rows[column])
        for column, kind in kinds.items()
    }


def distance(current: Column, reference: Column) -> float:
    """Distance of the known values; 1.0, as far as can be, when one side has none and the other has some."""
    if not (current.known and reference.known):
        return float(current.known != reference.known)
    match current, reference:
        case (Numbers(), Numbers()):
            return current.distance(reference)
        case (Categories(), Categories()):
            return current.distance(reference)
    raise TypeError(f"expected two columns of one kind, found {type(current).__name__}, {type(reference).__name__}")


def missing_distance(current: Column, reference: Column) -> float:
    """Jensen-Shannon distance (nats) of the shares of missing values: 0.1 is 3 % of a column that never lacks one."""
    import numpy as np

    def shares(column: Column) -> "NDArray[np.float64]":
        known = column.known / column.rows
        return np.array([known, 1 - known])

    return _jensen_shannon(shares(current), shares(reference)) if current.rows and reference.rows else 0.0


def _numbers(column: "pd.Series[Any]") -> Numbers:
    import numpy as np

    values = column.to_numpy(dtype="float64", na_value=np.nan)
    order = np.argsort(values)
    ordered = values[order]
    finite = np.isfinite(ordered)
    return Numbers(ordered[finite], len(values), order[finite])


def _categories(column: "pd.Series[Any]") -> Categories:
    import numpy as np
    import pandas as pd

    codes, names = pd.factorize(column)
    known = tuple(np.asarray(names).tolist())
    infinite = [place for place, name in enumerate(known) if isinstance(name, float) and np.isinf(name)]
    return Categories(known, np.where(np.isin(codes, infinite), -1, codes) if infinite else codes)


def _wasserstein(one: "NDArray[np.float64]", other: "NDArray[np.float64]") -> float:
    """The area between two quantile functions, which is that between the distribution functions."""
    import numpy as np

    if len(one) == len(other):
        return float(np.abs(one - other).mean())
    here, there, width = _steps(len(one), len(other))
    return float((width * np.abs(one[here] - other[there])).sum())  # a dot product would wake the threads of BLAS


@functools.lru_cache(maxsize=4)  # the columns without gaps all ask for the same
def _steps(n: int, m: int) -> "tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]":
    """The stretches of (0, 1] in which both empirical quantile functions stay at one value, and their lengths.

    The value is the `here`-th of n on one side and the `there`-th of m on the other. In units of 1 / (n m) the ends are
    whole numbers, so nothing is lost to rounding.
    """
    import numpy as np

    ends = np.concatenate([np.arange(1, n + 1) * m, np.arange(1, m + 1) * n])
    ends.sort(kind="stable")  # two ascending runs: merged in one pass
    return (ends - 1) // m, (ends - 1) // n, np.diff(ends, prepend=0) / (n * m)


def _jensen_shannon(now: "NDArray[np.float64]", usual: "NDArray[np.float64]") -> float:
    import numpy as np
    from scipy.special import rel_entr

    middle = (now + usual) / 2
    total = float(rel_entr(now, middle).sum() + rel_entr(usual, middle).sum())
    return float(np.sqrt(max(total, 0.0) / 2))
