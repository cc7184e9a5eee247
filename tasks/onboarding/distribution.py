"""Small distributions of a column's values, as bars with their shares of the known values."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_BINS = 24
_TEXTS = 6  # the most frequent ones; the others share one bar
_TAIL = 0.005  # at each end of a heavy-tailed column, drawn in the outer bars
_HEAVY_TAIL = 3.0  # the range relative to the range without the tails


@dataclass(frozen=True, slots=True)
class Bar:
    """The share of the values that `label` describes."""

    label: str
    share: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """The bars of a column. `is_ordered` is true for numbers and times, whose bars are adjacent ranges."""

    bars: tuple[Bar, ...]
    is_ordered: bool

    @property
    def highest(self) -> float:
        """The largest share."""
        return max((bar.share for bar in self.bars), default=0.0)


def numbers_distribution(numbers: "pd.Series[Any]") -> Distribution | None:
    """One bar per value of few whole numbers, else ranges of equal width; None without a finite number.

    The outer bars of a heavy-tailed column contain its tails.
    """
    import numpy as np

    values = numbers.to_numpy(dtype="float64")
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = float(values.min()), float(values.max())
    if high - low < _BINS and (values == np.round(values)).all():
        counts = np.bincount((values - low).astype("int64"))
        labels = [f"{low + place:g}" for place in range(len(counts))]
        return _ordered(labels, counts)
    start, end = (float(each) for each in np.quantile(values, [_TAIL, 1 - _TAIL]))
    if not 0 < end - start < (high - low) / _HEAVY_TAIL:
        start, end = low, high
    if not (end > start and math.isfinite(end - start)):
        return None
    counts, edges = np.histogram(values.clip(start, end), _BINS, (start, end))
    edges[0], edges[-1] = low, high
    return _ordered([f"{one:.4g} to {other:.4g}" for one, other in pairwise(edges)], counts)


def times_distribution(times: "pd.Series[Any]") -> Distribution | None:
    """Ranges of equal length from the first to the last time; None without two different times."""
    import numpy as np
    import pandas as pd

    known = times.dropna()
    if known.empty or known.min() == known.max():
        return None
    seconds = (known - known.min()).dt.total_seconds()
    counts, _ = np.histogram(seconds, _BINS)
    edges = pd.date_range(known.min(), known.max(), periods=_BINS + 1)
    return _ordered([f"{one:%Y-%m-%d} to {other:%Y-%m-%d}" for one, other in pairwise(edges)], counts)


def texts_distribution(texts: "pd.Series[Any]") -> Distribution | None:
    """The most frequent texts, and one bar for the others; None without any text."""
    shares = texts.value_counts(normalize=True)
    if shares.empty:
        return None
    bars = [Bar(str(text), float(share)) for text, share in shares.head(_TEXTS).items()]
    if len(shares) > _TEXTS:
        bars.append(Bar(f"{len(shares) - _TEXTS} others", float(shares.iloc[_TEXTS:].sum())))
    return Distribution(tuple(bars), is_ordered=False)


def _ordered(labels: list[str], counts: Any) -> Distribution:
    total = int(counts.sum())
    bars = tuple(Bar(label, int(count) / total) for label, count in zip(labels, counts.tolist(), strict=True))
    return Distribution(bars, is_ordered=True)
