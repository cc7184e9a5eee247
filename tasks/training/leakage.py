"""Label leakage: labels or features that a model's own predictions determine, and gains too large to be real.

A pipeline must not learn from its own predictions. They are detected by configuration (the label table is the
gateway's log, or the gateway serves it) and by data (values equal to the logged predictions of the same rows).

Whether a feature was known at prediction time cannot be seen in the lake: the pipeline's features function has to
guarantee it. Only the consequence can be seen, a model that explains far more than any before it.
"""

from typing import TYPE_CHECKING, Any

from healing.errors import TrainingRefused
from tasks.config.pipeline import Pipeline
from tasks.evaluation.labels import LabelSource
from tasks.lake.columns import LABEL
from tasks.serving.prediction_log import PREDICTIONS, SHADOW, logged_outputs, predictions_table, read_log

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

ROWS_MIN = 200  # logged rows with a value: fewer may be equal by chance
EQUAL_SHARE_MIN = 0.99  # share of those rows that are equal to the prediction
EQUAL_WITHIN = 1e-6  # the last digits that a CSV file keeps
DISAGREEMENTS_EXPECTED_MIN = 20.0  # labels expected to differ from the likelier class; none does with chance e^-20

EXPLAINED_MAX = 0.9  # of the base rate's loss: hardly any question about the future can be answered so well
GAIN_MAX = 0.4  # of the base rate's loss in one retrain; a champion worse than the base rate counts as equal to it
BASE_LOSS_MIN = 1e-6  # nats per row: below, there is nothing to explain


def refuse_predictions_as_labels(pipeline: Pipeline, gateways: tuple[str, ...]) -> None:
    """Raise TrainingRefused if the label table is the gateway's own log, by its name or by the source that serves it.

    `gateways` are the gateway's addresses, e.g. http://127.0.0.1:8080.
    """
    table = pipeline.label.table
    if table in (PREDICTIONS, SHADOW):
        raise TrainingRefused(_label_message(f"table {table!r}, in which the lake keeps the gateway's predictions"))
    for source in pipeline.sources:
        address = str(getattr(source, "url", "") or "")
        serves_table = not source.tables or table in source.tables
        if serves_table and any(address.startswith(gateway) for gateway in gateways if gateway):
            raise TrainingRefused(_label_message(f"source {source.name!r} at {address}, which is the gateway"))


def refuse_logged_predictions(rows: "pd.DataFrame", source: LabelSource, columns: tuple[str, ...], output: str) -> None:
    """Raise TrainingRefused if the labels or one of the features `columns` are the predictions logged for `rows`."""
    logged = _with_logged_prediction(rows, source)
    if len(logged) < ROWS_MIN:
        return
    predictions = logged["logged_prediction"].to_numpy()
    if source.classes:
        predictions = logged_outputs(logged["logged_outputs"], len(source.classes))
    if _are_labels(logged[LABEL].to_numpy(), predictions, output):
        raise TrainingRefused(_label_message(f"labels equal to the logged predictions of all {len(logged)} rows"))
    for name in columns:
        values = logged[name]
        per_class = predictions.reshape(len(logged), -1).T
        if values.dtype.kind == "f" and any(_are_predictions(values.to_numpy(), each) for each in per_class):
            raise TrainingRefused(
                f"expected features that do not depend on a model's prediction, found {name!r} equal to the logged "
                f"predictions of {len(logged)} rows; remove the column from the pipeline's features"
            )


def leakage_warning(candidate_loss: float, base_loss: float, champion_loss: float | None) -> str:
    """Why a candidate may have seen the labels; empty if nothing suggests it. It decides nothing.

    Losses are means over the same held-out rows.

    >>> leakage_warning(0.5, 0.55, 0.52)
    ''
    """
    if base_loss < BASE_LOSS_MIN:
        return ""
    explained = 1 - candidate_loss / base_loss
    before = None if champion_loss is None else 1 - champion_loss / base_loss
    gains_too_much = before is not None and explained - max(0.0, before) > GAIN_MAX
    if explained <= EXPLAINED_MAX and not gains_too_much:
        return ""
    champion = "" if before is None else f", the champion {before:.0%}"
    return (
        f"possible label leakage: the candidate explains {explained:.0%} of the base rate's loss{champion}; check that "
        "every feature was known at prediction time"
    )


def _with_logged_prediction(rows: "pd.DataFrame", source: LabelSource) -> "pd.DataFrame":
    """The rows for which a model's prediction was logged, with the last one in column `logged_prediction`.

    Column `logged_outputs` has the probabilities of several classes.
    """
    import pandas as pd

    table = predictions_table(source.lake_root)
    if table.version() is None:
        return rows.iloc[:0].assign(logged_prediction=pd.Series(dtype="float64"), logged_outputs=None)
    log = read_log(table, ["at", "key", "rung", "prediction", "outputs"])
    usable = log[(log["rung"] != "baseline") & log["key"].notna() & log["prediction"].notna()]
    last = usable.sort_values("at").drop_duplicates("key", keep="last").set_index("key")
    keys = rows[source.key]
    found = rows.assign(logged_prediction=keys.map(last["prediction"]), logged_outputs=keys.map(last["outputs"]))
    return found[found["logged_prediction"].notna()]


def _are_predictions(values: "NDArray[np.float64]", predictions: "NDArray[np.float64]") -> bool:
    """Whether nearly all known values equal the predictions. Constant predictions equal many columns by chance."""
    import numpy as np

    known = np.isfinite(values) & np.isfinite(predictions)
    if known.sum() < ROWS_MIN or np.ptp(predictions[known]) <= EQUAL_WITHIN:
        return False
    return bool((np.abs(values[known] - predictions[known]) <= EQUAL_WITHIN).mean() >= EQUAL_SHARE_MIN)


def _are_labels(labels: "NDArray[np.float64]", predictions: "NDArray[np.float64]", output: str) -> bool:
    """Whether the labels equal the predictions, or for classes the likeliest class in every row, although the
    predictions themselves expect many labels to differ from it.
    """
    import numpy as np

    if predictions.ndim == 2:
        known = np.isfinite(predictions).all(axis=1)
        labels, predictions = labels[known], predictions[known]
        disagreements: Any = (1 - predictions.max(axis=1)).sum() if len(predictions) else 0.0
        return bool(disagreements >= DISAGREEMENTS_EXPECTED_MIN and (predictions.argmax(axis=1) == labels).all())
    if _are_predictions(labels, predictions):
        return True
    if output == "value":
        return False
    disagreements_expected: Any = np.minimum(predictions, 1 - predictions).sum()
    likelier_everywhere = ((predictions >= 0.5) == (labels > 0)).all()
    return bool(disagreements_expected >= DISAGREEMENTS_EXPECTED_MIN and likelier_everywhere)


def _label_message(found: str) -> str:
    return f"expected observed labels, found {found}; set label.table to the table in which outcomes are recorded"
