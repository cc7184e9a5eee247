"""Predictions as columns of a frame, in the order of a pipeline's classes."""

import numpy as np
import pandas as pd
import pytest

from healing.errors import ConfigError
from tasks.evaluation.predictions import in_order, is_known, predictions_in, unknown_predictions, with_predictions

ROWS = pd.DataFrame({"id": ["a", "b", "c"]})
MATRIX = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [np.nan] * 3])


def test_a_matrix_is_read_back_as_it_was_written():
    rows = with_predictions(ROWS, MATRIX, ("x", "y", 3))
    assert list(rows) == ["id", "prediction", "prediction:x", "prediction:y", "prediction:3"]
    assert rows["prediction"].tolist()[:2] == [0.0, 2.0]
    assert rows["prediction"].isna().tolist() == [False, False, True]
    assert predictions_in(rows, ("x", "y", 3)) == pytest.approx(MATRIX, nan_ok=True)
    assert is_known(predictions_in(rows, ("x", "y", 3))).tolist() == [True, True, False]


def test_one_number_per_row_is_one_column():
    rows = with_predictions(ROWS, np.array([0.1, 0.2, np.nan]))
    assert list(rows) == ["id", "prediction"]
    assert is_known(predictions_in(rows)).tolist() == [True, True, False]
    assert unknown_predictions(3, ()).shape == (3,)
    assert unknown_predictions(3, ("x", "y", "z")).shape == (3, 3)


def test_a_model_of_other_classes_is_read_in_the_order_asked_for():
    """A class that the model does not know has the probability 0, and 1 and '1' are the same class."""
    found = in_order(MATRIX, ("x", "y", 3), ("3", "new", "x"))
    assert found == pytest.approx(np.array([[0.1, 0, 0.7], [0.6, 0, 0.1], [np.nan] * 3]), nan_ok=True)
    assert in_order(MATRIX, ("x", "y", "3"), ("x", "y", 3)) is MATRIX


def test_a_model_of_something_else_is_refused():
    with pytest.raises(ConfigError, match="predictions of the classes a, b, c, found a model that predicts something"):
        predictions_in(with_predictions(ROWS, np.zeros(3)), ("a", "b", "c"))
