"""The answers of an estimator: one number per row, or a row of numbers with the value in front."""

from typing import TYPE_CHECKING, Any

from healing.errors import ModelCorrupt
from releases.output import Output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def answers_of(estimator: Any, rows: Any, output: Output | None = None) -> "NDArray[np.float64]":
    """The value of each row, shape (rows,); with several outputs, shape (rows, 1 + outputs) with the value first.

    Without `output`, the value follows from the estimator: the probability of the second of two classes, the label of
    one of several, or the value of a regression. ModelCorrupt where the answers do not fit `output`, and where the
    labels of several classes are not numbers and no output names them.
    """
    import numpy as np

    if output is not None and "prob" in output.kind and not hasattr(estimator, "predict_proba"):
        raise ModelCorrupt(f"an output of kind {output.kind!r} needs a classifier, found {type(estimator).__name__}")
    match None if output is None else output.kind:
        case None:
            return _usual_answers(estimator, rows)
        case "probability":
            return np.asarray(estimator.predict_proba(rows)[:, 1], dtype=np.float64)
        case "value":
            return np.asarray(estimator.predict(rows), dtype=np.float64).reshape(-1)
    assert output is not None
    if output.kind == "label":
        return _values_of_labels(np.asarray(estimator.predict(rows)).reshape(-1), output)
    wanted = estimator.predict_proba if output.kind == "probabilities" else estimator.predict
    matrix = np.asarray(wanted(rows), dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] != output.width:
        raise ModelCorrupt(f"expected a model with {output.width} outputs, found the shape {matrix.shape}")
    return with_values(matrix, output)


def with_values(matrix: "NDArray[np.float64]", output: Output) -> "NDArray[np.float64]":
    """The outputs of several rows, with the value of each row in front; NaN unless all outputs are finite."""
    import numpy as np

    value = matrix[:, 0] if output.kind == "values" else _most_probable(matrix, output)
    whole = np.isfinite(matrix).all(axis=1)
    return np.column_stack([np.where(whole, value, np.nan), matrix])


def values_of(answers: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """The value of each row, of what `answers_of` gives."""
    return answers if answers.ndim == 1 else answers[:, 0]


def _usual_answers(estimator: Any, rows: Any) -> "NDArray[np.float64]":
    import numpy as np

    if not hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict(rows), dtype=np.float64)
    classes = getattr(estimator, "classes_", None)
    if classes is None or len(classes) == 2:
        return np.asarray(estimator.predict_proba(rows)[:, 1], dtype=np.float64)
    labels = np.asarray(estimator.predict(rows))
    if labels.dtype.kind not in "biuf":
        raise ModelCorrupt(
            f"a model of {len(classes)} classes needs numbers as labels, found {str(classes[0])!r}; number the "
            "classes, train the model again and publish it, or name the classes in its output"
        )
    return labels.astype(np.float64)


def _values_of_labels(labels: Any, output: Output) -> "NDArray[np.float64]":
    import numpy as np

    if output.has_numbers:
        return np.asarray(labels, dtype=np.float64)
    places = {name: float(place) for place, name in enumerate(output.names)}
    return np.array([places.get(str(label), np.nan) for label in labels], dtype=np.float64)


def _most_probable(matrix: "NDArray[np.float64]", output: Output) -> "NDArray[np.float64]":
    import numpy as np

    values = [float(name) for name in output.names] if output.has_numbers else range(output.width)
    return np.array([values[place] for place in matrix.argmax(axis=1)], dtype=np.float64)
