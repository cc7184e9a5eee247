"""What an estimator answers: probabilities of the positive class, or values."""

from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

log = structlog.get_logger(__name__)

ROWS_ONE_BY_ONE_MAX = 500  # enough for a profile and for golden rows


def predict(estimator: Any, inputs: "pd.DataFrame") -> "NDArray[np.float64]":
    """Probability of the positive class, or the value of an estimator that has no classes; shape (rows,)."""
    import numpy as np

    if not hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict(inputs), dtype=np.float64)
    return np.asarray(estimator.predict_proba(inputs)[:, 1], dtype=np.float64)


def answers_of(estimator: Any, inputs: "pd.DataFrame") -> "NDArray[np.float64]":
    """Predictions, with NaN for a row on which the model raises: one such row must not hide the others.

    If it raises, the first rows are asked one by one and the rest is NaN: a model may take milliseconds a row.
    """
    import numpy as np

    try:
        return predict(estimator, inputs)
    except ValueError as exc:
        log.warning("model_raises_on_rows", cause=str(exc))
    answers = np.full(len(inputs), np.nan)
    for row in range(min(ROWS_ONE_BY_ONE_MAX, len(inputs))):
        try:
            answers[row] = predict(estimator, inputs.iloc[[row]])[0]
        except ValueError:
            continue  # NaN says so, and the warning above named the first cause
    return answers
