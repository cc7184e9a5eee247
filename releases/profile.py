"""Profiles of a model's inputs and answers, as its manifest has them."""

from typing import TYPE_CHECKING

from releases.manifest import NumericProfile

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
DECILES = tuple(number / 10 for number in range(11))


def numeric_profile(column: "pd.Series") -> NumericProfile:
    """Median, mean and quantiles of the known values, and the share of missing ones."""
    known = column.dropna()
    if known.empty:
        return NumericProfile(median=None, mean=None, quantiles=(), null_share=1.0)
    return NumericProfile(
        median=float(known.median()),
        mean=float(known.mean()),
        quantiles=tuple(float(quantile) for quantile in known.quantile(list(QUANTILES))),
        null_share=float(column.isna().mean()),
    )


def category_shares(column: "pd.Series") -> dict[str, float]:
    """The share of each category among the known values."""
    return {str(category): float(share) for category, share in column.value_counts(normalize=True).items()}


def quantiles_of(answers: "NDArray[np.float64]", at: tuple[float, ...]) -> tuple[float, ...]:
    """Quantiles of the finite answers; empty without any."""
    import numpy as np

    known = answers[np.isfinite(answers)]
    return tuple(float(quantile) for quantile in np.quantile(known, at)) if known.size else ()
