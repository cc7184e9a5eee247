"""Golden rows: rows with the model's own answers, by which a loader checks that it opened the same model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from healing.errors import TrainingRefused
from releases.answers import with_values
from releases.manifest import GOLDEN_ROWS, Golden, InputSchema, Scalar
from releases.output import Output
from tasks.evaluation.predictions import is_known
from tasks.training.inference import predict

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def golden_rows(
    estimator: Any,
    output: Output | None,
    schema: InputSchema,
    inputs: "pd.DataFrame",
    predictions: "NDArray[np.float64]",
) -> Golden:
    """Rows that the model can predict, with its predictions for exactly these rows."""
    import numpy as np

    chosen = np.flatnonzero(is_known(predictions))[:GOLDEN_ROWS]
    if not chosen.size:
        raise TrainingRefused(
            f"expected a model that predicts its training rows, found that it raises on all of {len(inputs)} of them; "
            "correct the estimator"
        )
    whole = [column.type == "long" for column in schema.columns]
    rows = tuple(json_row(row, whole) for row in inputs.iloc[chosen].itertuples(index=False, name=None))
    outputs = predict(estimator, inputs.iloc[chosen])
    if output is None:
        return Golden(columns=schema.names, rows=rows, outputs=tuple(outputs.tolist()))
    values, matrix = with_values(outputs, output)[:, 0], tuple(map(tuple, outputs.tolist()))
    return Golden(columns=schema.names, rows=rows, outputs=tuple(values.tolist()), matrix=matrix)


def json_row(row: Sequence[Any], whole: Sequence[bool]) -> tuple[Scalar, ...]:
    """The row with NaN as null, and whole numbers as int again: a gateway refuses a float in a column of type long."""
    return tuple(
        None if value is None or value != value else int(value) if is_whole else value  # noqa: PLR0124 - NaN
        for value, is_whole in zip(row, whole, strict=True)
    )
