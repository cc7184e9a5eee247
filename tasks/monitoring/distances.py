"""Distances between a column of two samples: Evidently's distances to 1e-9, computed several times faster.

Evidently (through scipy) sorts both sides again for every pair. Here, a column is sorted once, or its categories are
numbered once. A pair then only needs one pass along two sorted arrays, and a part of a column (one block of the
reference, or all others) needs a mask instead of another sort.
"""

import functools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]  # shape (rows,)

ColumnKind = Literal["numeric", "category"]
DEVIATION_MIN = 0.001  # Evidently's; a constant reference would otherwise make every distance infinite


@dataclass(frozen=True, slots=True)
class NumericColumn:
    """The finite values of a numeric column in ascending order, and the row of each value.

    `row` is None in a part of a column.
    """

    values: "NDArray[np.float64]"
    rows: int  # with missing values
    row: "NDArray[np.int64] | None" = None

    @property
    def known(self) -> int:
        return len(self.values)

    def only(self, mask: "Mask") -> "NumericColumn":
        """The part of a whole column in the rows of `mask`. ValueError when this is already a part."""
        if self.row is None:
            raise ValueError("expected a whole column, found a part of one; select rows of the whole column instead")
        return NumericColumn(self.values[mask[self.row]], int(mask.sum()))

    def distance(self, reference: "NumericColumn") -> float:
        """Wasserstein-1 distance in (population) standard deviations of the reference."""
        return _wasserstein(self.values, reference.values) / max(float(reference.values.std()), DEVIATION_MIN)


@dataclass(frozen=True, slots=True)
class CategoryColumn:
    """A column of categories: the number of each row's category, -1 where the value is missing."""

    names: tuple[Hashable, ...]
    codes: "NDArray[np.int64]"

    @property
    def rows(self) -> int:
        return len(self.codes)

    @property
    def known(self) -> int:
        return int((self.codes >= 0).sum())

    def only(self, mask: "Mask") -> "CategoryColumn":
        """The column of the rows in `mask`."""
        return CategoryColumn(self.names, self.codes[mask])

    def counts(self) -> "NDArray[np.int64]":
        """How often each of `names` occurs."""
        import numpy as np

        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))

    def distance(self, reference: "CategoryColumn") -> float:
        """Jensen-Shannon distance (nats) of the shares, over the categories of either side."""
        import numpy as np

        places = {name: place for place, name in enumerate(reference.names)}
        here = np.array([places.setdefault(name, len(places)) for name in self.names], dtype=np.int64)
        now, usual = np.zeros(len(places)), np.zeros(len(places))
        np.add.at(now, here, self.counts())
        usual[: len(reference.names)] = reference.counts()
        return _jensen_shannon(now / self.known, usual / reference.known)


ComparableColumn = NumericColumn | CategoryColumn


def columns_of(rows: "pd.DataFrame", kinds: Mapping[str, ColumnKind]) -> dict[str, ComparableColumn]:
    """The columns of a frame, prepared for comparison."""
    return {
        column: _numeric_column(rows[column]) if kind == "numeric" else _category_column(rows[column])
        for column, kind in kinds.items()
    }


def distance(current: ComparableColumn, reference: ComparableColumn) -> float:
    """Distance between the known values; 1.0 when only one side has known values, 0.0 when neither has."""
    if not (current.known and reference.known):
        return float(current.known != reference.known)
    match current, reference:
        case (NumericColumn(), NumericColumn()):
            return current.distance(reference)
        case (CategoryColumn(), CategoryColumn()):
            return current.distance(reference)
    raise TypeError(f"expected two columns of one kind, found {type(current).__name__}, {type(reference).__name__}")


def missing_distance(current: ComparableColumn, reference: ComparableColumn) -> float:
    """Jensen-Shannon distance (nats) between the shares of missing values.

    If the reference has no missing values, 3 % of missing values give 0.1.
    """
    import numpy as np

    def shares(column: ComparableColumn) -> "NDArray[np.float64]":
        known = column.known / column.rows
        return np.array([known, 1 - known])

    return _jensen_shannon(shares(current), shares(reference)) if current.rows and reference.rows else 0.0


def column_kinds(columns: Sequence[tuple[str, str]]) -> dict[str, ColumnKind]:
    """How each input column (name, MLflow type) is compared."""
    return {name: "category" if type_ in ("string", "boolean") else "numeric" for name, type_ in columns}


def _numeric_column(column: "pd.Series[Any]") -> NumericColumn:
    import numpy as np

    values = column.to_numpy(dtype="float64", na_value=np.nan)
    order = np.argsort(values)
    ordered = values[order]
    finite = np.isfinite(ordered)
    return NumericColumn(ordered[finite], len(values), order[finite])


def _category_column(column: "pd.Series[Any]") -> CategoryColumn:
    import numpy as np
    import pandas as pd

    codes, names = pd.factorize(column)
    known = tuple(np.asarray(names).tolist())
    infinite = [place for place, name in enumerate(known) if isinstance(name, float) and np.isinf(name)]
    return CategoryColumn(known, np.where(np.isin(codes, infinite), -1, codes) if infinite else codes)


def _wasserstein(one: "NDArray[np.float64]", other: "NDArray[np.float64]") -> float:
    """The area between two quantile functions, which equals the area between the distribution functions."""
    import numpy as np

    if len(one) == len(other):
        return float(np.abs(one - other).mean())
    here, there, width = _steps(len(one), len(other))
    return float((width * np.abs(one[here] - other[there])).sum())  # a dot product would start BLAS threads


@functools.lru_cache(maxsize=4)  # columns without missing values have the same lengths
def _steps(n: int, m: int) -> "tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]":
    """The intervals of (0, 1] on which both empirical quantile functions are constant, and their lengths.

    On an interval, one function has the `here`-th of n values and the other the `there`-th of m. In units of 1 / (n m),
    the ends of the intervals are integers, so there is no rounding error.
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
