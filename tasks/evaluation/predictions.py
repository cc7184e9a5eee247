"""Predictions as columns of a frame, and in the order of a pipeline's classes.

One number per row is one column. With several classes, the column holds the position of the most probable class, and
one more column per class holds its probability, named `prediction:CLASS`. So rows that models of different classes have
predicted can be compared: a class that a model does not know has the probability 0.
"""

from typing import TYPE_CHECKING, Any

from healing.errors import ConfigError
from releases.loader import LoadedModel
from releases.manifest import Manifest
from tasks.lake.columns import PREDICTION

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Predictions = NDArray[np.float64]  # shape (rows,) or (rows, classes)


def classes_of(manifest: Manifest) -> tuple[Any, ...]:
    """The classes of a model that answers with the probability of each; empty for any other model."""
    output = manifest.output
    return output.names if output is not None and output.kind == "probabilities" else ()


def predictions_of(model: LoadedModel, inputs: "pd.DataFrame") -> "Predictions":
    """The model's predictions: (rows,), or (rows, classes) with a column per class of the model."""
    return model.answers(inputs)[:, 1:] if classes_of(model.manifest) else model.predict(inputs)


def is_known(predictions: "Predictions") -> "NDArray[np.bool_]":
    """Whether all numbers of a row are finite, shape (rows,)."""
    import numpy as np

    finite: NDArray[np.bool_] = np.isfinite(predictions)
    return finite if finite.ndim == 1 else np.asarray(finite.all(axis=1))


def unknown_predictions(rows: int, classes: tuple[Any, ...]) -> "Predictions":
    """NaN for each row, in the shape of a prediction with these classes."""
    import numpy as np

    return np.full((rows, len(classes)) if classes else rows, np.nan)


def class_columns(classes: tuple[Any, ...], name: str = PREDICTION) -> list[str]:
    """Names of the columns with the probabilities of the classes."""
    return [f"{name}:{each}" for each in classes]


def with_predictions(
    rows: "pd.DataFrame", predictions: "Predictions", classes: tuple[Any, ...] = (), name: str = PREDICTION
) -> "pd.DataFrame":
    """`rows` with the predictions as columns. `classes` names the columns of a matrix."""
    import numpy as np

    if not classes:
        return rows.assign(**{name: predictions})
    likeliest = np.where(is_known(predictions), np.nan_to_num(predictions).argmax(axis=1), np.nan)
    columns = dict(zip(class_columns(classes, name), predictions.T, strict=True))
    return rows.assign(**{name: likeliest, **columns})


def predictions_in(rows: "pd.DataFrame", classes: tuple[Any, ...] = (), name: str = PREDICTION) -> "Predictions":
    """The predictions of a frame: (rows,), or (rows, classes) in the order of `classes`.

    ConfigError if the pipeline predicts several classes and the model none of them.
    """
    import numpy as np

    if not classes:
        return rows[name].to_numpy(dtype=float)
    columns = class_columns(classes, name)
    if not any(column in rows for column in columns):
        raise ConfigError(
            f"expected predictions of the classes {', '.join(map(str, classes))}, found a model that predicts "
            "something else; give a label with other classes a pipeline of its own"
        )
    missing = np.where(rows[name].notna(), 0.0, np.nan)
    return np.column_stack([rows[column].to_numpy(dtype=float) if column in rows else missing for column in columns])


def in_order(predictions: "Predictions", found: tuple[Any, ...], wanted: tuple[Any, ...]) -> "Predictions":
    """Predictions of the classes `found` in the order of `wanted`; see `predictions_in`."""
    if tuple(map(str, found)) == tuple(map(str, wanted)):
        return predictions
    import pandas as pd

    rows = pd.DataFrame(index=pd.RangeIndex(len(predictions)))
    return predictions_in(with_predictions(rows, predictions, found), wanted)
