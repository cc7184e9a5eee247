"""How a model is called: its input schema, rows converted to inputs as the gateway converts them, and predictions."""

from typing import TYPE_CHECKING, Any

import structlog

from healing.errors import ConfigError
from releases.manifest import Column, InputSchema
from releases.model_inputs import dtype_of
from tasks.evaluation.predictions import unknown_predictions
from tasks.lake.columns import ASKED_AT, BATCH_DAY, KNOWN_AT, LABEL

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

log = structlog.get_logger(__name__)

SINGLE_ROWS_MAX = 500  # enough for a reference profile and for golden rows
_COLUMN_TYPES = {"f": "double", "i": "long", "u": "long", "b": "boolean", "O": "string", "T": "string", "U": "string"}


def input_schema(rows: "pd.DataFrame", key: str) -> InputSchema:
    """The model's inputs: the columns of the features in their order, without the key, the times and the label."""
    columns = tuple(
        Column(name=str(name), type=_column_type(rows[name]))
        for name in rows.columns
        if name not in (key, ASKED_AT, BATCH_DAY, LABEL, KNOWN_AT)
    )
    return InputSchema(key=key, columns=columns)


def as_inputs(rows: "pd.DataFrame", schema: InputSchema) -> "pd.DataFrame":
    """`rows` as the gateway passes them to a model: numbers as float64, strings as objects, missing as NaN or None."""
    inputs = rows[list(schema.names)].astype({column.name: dtype_of(column, schema) for column in schema.columns})
    strings = [column.name for column in schema.columns if column.type == "string"]
    missing: Any = None  # pandas accepts None, its stubs do not
    return inputs.assign(**{name: inputs[name].where(inputs[name].notna(), missing) for name in strings})


def predict(estimator: Any, inputs: "pd.DataFrame") -> "NDArray[np.float64]":
    """The prediction of each row, shape (rows,); of a classifier of more than two classes shape (rows, classes)."""
    import numpy as np

    from releases.answers import answers_of

    if _several_classes(estimator):
        return np.asarray(estimator.predict_proba(inputs), dtype=np.float64)
    return answers_of(estimator, inputs)


def predict_or_nan(estimator: Any, inputs: "pd.DataFrame") -> "NDArray[np.float64]":
    """Predictions, with NaN for each row on which the estimator raises.

    If the estimator raises on the whole frame, the first 500 rows are predicted one by one and the rest is NaN: a
    single-row prediction may take milliseconds.
    """

    try:
        return predict(estimator, inputs)
    except ValueError as exc:
        log.warning("model_raises_on_rows", cause=str(exc))
    predictions = unknown_predictions(len(inputs), _several_classes(estimator))
    for row in range(min(SINGLE_ROWS_MAX, len(inputs))):
        try:
            predictions[row] = predict(estimator, inputs.iloc[[row]])[0]
        except ValueError:
            continue  # the row stays NaN; the warning above named the first cause
    return predictions


def _several_classes(estimator: Any) -> tuple[Any, ...]:
    """The labels that a classifier of more than two classes was fitted on; empty for any other estimator."""
    classes = tuple(getattr(estimator, "classes_", ()))
    return classes if len(classes) > 2 else ()


def _column_type(column: "pd.Series") -> Any:
    found = _COLUMN_TYPES.get(column.dtype.kind)
    if found is None:
        raise ConfigError(
            f"expected feature {column.name!r} to be text, a number or a boolean, found {column.dtype}; "
            "convert it in the pipeline's features function"
        )
    return found
