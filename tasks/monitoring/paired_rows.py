"""Paired rows: rows for which both the champion and the challenger have a prediction, with their labels."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from releases.loader import LoadedModel
from releases.model_inputs import frame_of
from releases.output import Output
from tasks.config.pipeline import ClassNames, Pipeline
from tasks.evaluation.labels import LabelSource, join_labels, label_source
from tasks.evaluation.predictions import (
    classes_of,
    in_order,
    is_known,
    predictions_of,
    unknown_predictions,
    with_predictions,
)
from tasks.lake.columns import BATCH_DAY, FEATURES, KNOWN_AT, LABEL
from tasks.lake.lake_root import LakeRoot
from tasks.lake.lake_table import LakeTable
from tasks.serving.gateway_client import PROBE_PREFIX
from tasks.serving.logged_features import LoggedFeatures
from tasks.serving.prediction_log import feedback_table, logged_outputs, predictions_table, read_log, shadow_table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

log = structlog.get_logger(__name__)

ModelOrDigest = LoadedModel | str
"""A loaded model, or only its digest; then only its logged predictions count."""

CHAMPION = "champion"  # columns: the predictions of each model
CHALLENGER = "challenger"
AT = "at"
FEATURES_JSON = "features"
_ROW = ["request_id", "row"]
_ERRORS_MAX = 100  # of predict calls: each costs milliseconds, and a few invalid rows need about a dozen


class PairedRows(NamedTuple):
    """The paired rows; and by column of a model, in how many further rows its value is not in the log.

    Those rows have no prediction of one of the models, because it cannot be computed from what was logged.
    """

    rows: "pd.DataFrame"
    unobserved: Mapping[str, int]


def digest_of(model: ModelOrDigest) -> str:
    return model.digest if isinstance(model, LoadedModel) else model


def paired_rows(
    lake_root: LakeRoot,
    champion: ModelOrDigest,
    challenger: ModelOrDigest,
    since: datetime,
    until: datetime,
    classes: ClassNames = (),
) -> PairedRows:
    """Rows requested live in [since, until] for which both models have a prediction, by time.

    Columns: `request_id`, `row`, `at`, `key`, `features` as JSON, `champion`, `challenger`. A prediction is the
    gateway's, else the shadow's score, else computed by the loaded model from the logged features. If a key was
    requested several times, the first request counts: one label is one observation. Probes and baseline answers are
    left out. A row whose features are not all logged is not predicted: a hashed value is no input of a model. With
    `classes`, a prediction is one probability per class (see `tasks.evaluation.predictions`), and a
    shadow's are computed: the gateway logs only the class that it predicts.
    """
    rows = _requested(lake_root, since, until)
    scores = _scored(lake_root, digest_of(challenger), since)
    found, unobserved = rows[[*_ROW, AT, "key", FEATURES_JSON]], Counter[str]()
    for column, model in ((CHAMPION, champion), (CHALLENGER, challenger)):
        by_model = (rows["digest"] == digest_of(model)).to_numpy()
        if classes:
            predictions = _class_predictions(model, rows, by_model, classes)
        else:
            logged = rows["prediction"].where(by_model)
            if column == CHALLENGER:
                logged = logged.fillna(rows[_ROW].merge(scores, how="left", on=_ROW)["prediction"])
            predictions = _completed(model, logged.to_numpy(dtype="float64", copy=True), rows[FEATURES_JSON])
        unobserved += _unobserved(model, rows[FEATURES_JSON][~is_known(predictions)])
        found = with_predictions(found, predictions, classes, column)
    both = found[found[CHAMPION].notna() & found[CHALLENGER].notna()]
    again = both["key"].notna() & both.duplicated("key", keep="first")
    return PairedRows(both[~again].reset_index(drop=True), dict(unobserved))


def _unobserved(model: ModelOrDigest, features: "pd.Series[str]") -> Counter[str]:
    """In how many of these rows the log does not have the value of each column of the model."""
    if not isinstance(model, LoadedModel):
        return Counter()
    names = model.manifest.input_schema.names
    return Counter(name for text in features for name in LoggedFeatures(text).unobserved(names))


def _class_predictions(
    model: ModelOrDigest, rows: "pd.DataFrame", by_model: "NDArray[np.bool_]", classes: ClassNames
) -> "NDArray[np.float64]":
    """The probabilities of `classes` for each row, shape (rows, classes); NaN where they are not known."""
    import numpy as np

    known = classes_of(model.manifest) if isinstance(model, LoadedModel) else classes
    logged = logged_outputs(rows["outputs"], len(known))
    predictions = _completed(model, np.where(by_model[:, None], logged, np.nan), rows[FEATURES_JSON])
    return in_order(predictions, known, classes)


def _completed(
    model: ModelOrDigest, predictions: "NDArray[np.float64]", features: "pd.Series[str]"
) -> "NDArray[np.float64]":
    """The predictions, with those that are NaN computed from the features if the model is loaded."""
    import numpy as np

    missing = np.flatnonzero(~is_known(predictions))
    if isinstance(model, LoadedModel) and missing.size:
        predictions[missing] = _predictions_of(model, features.iloc[missing])
    return predictions


def with_labels(
    rows: "pd.DataFrame",
    pipeline: Pipeline,
    lake_root: LakeRoot,
    as_of: datetime,
    answering: tuple[Any, ...] = (),
    until: "pd.Series[pd.Timestamp] | None" = None,
) -> "pd.DataFrame":
    """`rows` with `label`: a client's feedback on the row, else the label table's value for its key, else NaN.

    `answering` are the classes of the model that answered: the gateway logs a label as its number among them. With
    `until` a label counts only if it was known by the time given for its row.
    """
    feedback = _feedback_labels(lake_root, rows, as_of, until)
    if pipeline.label.classes:
        feedback = _among(feedback, answering, pipeline.label.classes)
    by_key = _labels_by_key(label_source(pipeline, lake_root), rows, as_of, until)
    return rows.assign(**{LABEL: feedback.fillna(by_key)})


def with_columns(rows: "pd.DataFrame", columns: Sequence[str]) -> "pd.DataFrame":
    """`rows` with the named features of each request, as `LoggedFeatures.value` returns them."""
    import pandas as pd

    requests = [LoggedFeatures(text) for text in rows[FEATURES_JSON]] if columns else []
    values = {column: [row.value(column) for row in requests] for column in columns}
    return rows.assign(**{name: pd.Series(each, index=rows.index, dtype="object") for name, each in values.items()})


def _requested(lake_root: LakeRoot, since: datetime, until: datetime) -> "pd.DataFrame":
    import pandas as pd

    columns = [*_ROW, AT, "digest", "rung", "key", FEATURES_JSON, "prediction", "outputs"]
    table = predictions_table(lake_root)
    if table.version() is None:
        return pd.DataFrame({column: pd.Series(dtype="object") for column in columns})
    rows = read_log(table, columns, since=since, until=until, day_column=AT)
    live = (rows["rung"] != "baseline") & ~rows["request_id"].str.startswith(PROBE_PREFIX)
    return rows[live].drop_duplicates(_ROW, keep="last").reset_index(drop=True)


def _scored(lake_root: LakeRoot, digest: str, since: datetime) -> "pd.DataFrame":
    import pandas as pd

    table = shadow_table(lake_root)
    if table.version() is None:
        return pd.DataFrame(
            {"request_id": pd.Series(dtype="object"), "row": pd.Series(dtype="int64"), "prediction": []}
        )
    scores = table.read(since=since, day_column=AT, columns=[*_ROW, "digest", "prediction"])
    own = scores[(scores["digest"] == digest) & scores["prediction"].notna()]
    return own.drop_duplicates(_ROW, keep="last")[[*_ROW, "prediction"]]


def _predictions_of(model: LoadedModel, features: "pd.Series[str]") -> "NDArray[np.float64]":
    """The model's predictions from logged features; NaN for rows on which it fails or that lack one of its columns."""
    import numpy as np

    schema = model.manifest.input_schema
    names = schema.names
    requests = [LoggedFeatures(text) for text in features]
    complete = [place for place, row in enumerate(requests) if not row.unobserved(names)]
    predictions = unknown_predictions(len(requests), classes_of(model.manifest))
    if complete:
        rows = frame_of(schema, names, [requests[place].values(names) for place in complete])
        predictions[complete] = _predict_in_parts(model, rows)
    return np.where(np.isfinite(predictions), predictions, np.nan)


def _predict_in_parts(model: LoadedModel, rows: "pd.DataFrame") -> "NDArray[np.float64]":
    """Predictions for all rows except those on which the model raises, which halving isolates.

    After `_ERRORS_MAX` exceptions, the remaining rows get none.
    """
    predictions = unknown_predictions(len(rows), classes_of(model.manifest))
    parts, errors = [(0, len(rows))], 0
    while parts and errors <= _ERRORS_MAX:
        start, end = parts.pop()
        try:
            predictions[start:end] = predictions_of(model, rows.iloc[start:end])
        except Exception as exc:  # noqa: BLE001 - a model is a user's code, and may raise anything
            errors += 1
            log.debug("rows_not_predicted", digest=model.digest, rows=end - start, cause=repr(exc))
            middle = (start + end) // 2
            parts += [(start, middle), (middle, end)] if end - start > 1 else []
    return predictions


def _feedback_labels(
    lake_root: LakeRoot, rows: "pd.DataFrame", as_of: datetime, until: "pd.Series[pd.Timestamp] | None"
) -> "pd.Series[float]":
    import pandas as pd

    table = feedback_table(lake_root)
    if table.version() is None or rows.empty:
        return pd.Series(float("nan"), index=rows.index)
    labels = table.read(since=rows[AT].min(), until=as_of, day_column=AT, columns=[*_ROW, "label", AT])
    if until is not None:
        due = rows[_ROW].assign(until=until)
        labels = labels.merge(due, how="inner", on=_ROW)
        labels = labels[labels[AT] <= labels["until"]]
    labels = labels[[*_ROW, "label"]]
    last = labels.drop_duplicates(_ROW, keep="last")
    return rows[_ROW].merge(last, how="left", on=_ROW)["label"].astype("float64").set_axis(rows.index)


def _among(labels: "pd.Series[float]", answering: tuple[Any, ...], classes: ClassNames) -> "pd.Series[float]":
    """Logged labels of the classes `answering` as positions among `classes`; see `Output.value_of`."""
    output = Output(kind="probabilities", names=answering or classes)
    place = {str(name): float(place) for place, name in enumerate(classes)}
    positions = {output.value_of(name): place.get(str(name)) for name in output.names}
    return labels.map(positions).astype("float64")


def _labels_by_key(
    source: LabelSource, rows: "pd.DataFrame", as_of: datetime, until: "pd.Series[pd.Timestamp] | None"
) -> "pd.Series[float]":
    """Labels by key. The features table gives the day of each key: a day of the data, not of the request."""
    import pandas as pd

    features = LakeTable(source.lake_root, FEATURES, [source.key])
    labels = LakeTable(source.lake_root, source.table, source.table_key)
    unknown = pd.Series(float("nan"), index=rows.index)
    if features.version() is None or labels.version() is None or rows["key"].isna().all():
        return unknown
    days = features.read(columns=[source.key, BATCH_DAY]).set_index(source.key)[BATCH_DAY]
    dated = pd.DataFrame({source.key: rows["key"], BATCH_DAY: rows["key"].map(days)})
    dated = dated[dated[BATCH_DAY].notna()]
    joined = join_labels(dated, source, as_of)
    found: pd.Series[float] = joined[LABEL]
    if until is not None:
        found = found.where(joined[KNOWN_AT] <= until.reindex(found.index))
    return unknown.where(~rows.index.isin(found.index), found.reindex(rows.index))
