"""Paired rows: rows for which both the champion and the challenger have a prediction, with their labels."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from releases.loader import LoadedModel
from releases.model_inputs import frame_of
from tasks.config.pipeline import Pipeline
from tasks.evaluation.labels import LabelSource, join_labels, label_source
from tasks.lake.columns import BATCH_DAY, FEATURES, LABEL
from tasks.lake.lake_table import LakeTable
from tasks.serving.gateway_client import PROBE_PREFIX
from tasks.serving.prediction_log import feedback_table, predictions_table, shadow_table

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


def digest_of(model: ModelOrDigest) -> str:
    return model.digest if isinstance(model, LoadedModel) else model


def paired_rows(
    lake_root: Path, champion: ModelOrDigest, challenger: ModelOrDigest, since: datetime, until: datetime
) -> "pd.DataFrame":
    """Rows requested live in [since, until] for which both models have a prediction, by time.

    Columns: `request_id`, `row`, `at`, `key`, `features` as JSON, `champion`, `challenger`. A prediction is the
    gateway's, else the shadow's score, else computed by the loaded model from the logged features. If a key was
    requested several times, the first request counts: one label is one observation. Probes and baseline answers are
    left out.
    """
    rows = _requested(lake_root, since, until)
    scores = _scored(lake_root, digest_of(challenger), since)
    for column, model in ((CHAMPION, champion), (CHALLENGER, challenger)):
        predictions = rows["prediction"].where(rows["digest"] == digest_of(model))
        if column == CHALLENGER:
            predictions = predictions.fillna(rows[_ROW].merge(scores, how="left", on=_ROW)["prediction"])
        rows[column] = predictions
    for column, model in ((CHAMPION, champion), (CHALLENGER, challenger)):
        if isinstance(model, LoadedModel):
            missing = rows[column].isna()
            rows.loc[missing, column] = _predictions_of(model, rows.loc[missing, FEATURES_JSON])
    both = rows[rows[CHAMPION].notna() & rows[CHALLENGER].notna()]
    again = both["key"].notna() & both.duplicated("key", keep="first")
    return both[~again][[*_ROW, AT, "key", FEATURES_JSON, CHAMPION, CHALLENGER]].reset_index(drop=True)


def with_labels(rows: "pd.DataFrame", pipeline: Pipeline, lake_root: Path, as_of: datetime) -> "pd.DataFrame":
    """`rows` with `label`: a client's feedback on the row, else the label table's value for its key, else NaN."""
    feedback = _feedback_labels(lake_root, rows, as_of)
    by_key = _labels_by_key(label_source(pipeline, lake_root), rows, as_of)
    return rows.assign(**{LABEL: feedback.fillna(by_key)})


def with_columns(rows: "pd.DataFrame", columns: Sequence[str]) -> "pd.DataFrame":
    """`rows` with the named features of each request; None where a request did not have one."""
    requests = [json.loads(text) for text in rows[FEATURES_JSON]] if columns else []
    return rows.assign(**{column: [row.get(column) for row in requests] for column in columns})


def _requested(lake_root: Path, since: datetime, until: datetime) -> "pd.DataFrame":
    import pandas as pd

    columns = [*_ROW, AT, "digest", "rung", "key", FEATURES_JSON, "prediction"]
    table = predictions_table(lake_root)
    if table.version() is None:
        return pd.DataFrame({column: pd.Series(dtype="object") for column in columns})
    rows = table.read(since=since, until=until, day_column=AT, columns=columns)
    live = (rows["rung"] != "baseline") & ~rows["request_id"].str.startswith(PROBE_PREFIX)
    return rows[live].drop_duplicates(_ROW, keep="last").reset_index(drop=True)


def _scored(lake_root: Path, digest: str, since: datetime) -> "pd.DataFrame":
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
    requests = [json.loads(text) for text in features]
    complete = [place for place, row in enumerate(requests) if all(name in row for name in names)]
    predictions = np.full(len(requests), np.nan)
    if complete:
        rows = frame_of(schema, names, [[requests[place][name] for name in names] for place in complete])
        predictions[complete] = _predict_in_parts(model, rows)
    return np.where(np.isfinite(predictions), predictions, np.nan)


def _predict_in_parts(model: LoadedModel, rows: "pd.DataFrame") -> "NDArray[np.float64]":
    """Predictions for all rows except those on which the model raises, which halving isolates.

    After `_ERRORS_MAX` exceptions, the remaining rows get none.
    """
    import numpy as np

    predictions = np.full(len(rows), np.nan)
    parts, errors = [(0, len(rows))], 0
    while parts and errors <= _ERRORS_MAX:
        start, end = parts.pop()
        try:
            predictions[start:end] = model.predict(rows.iloc[start:end])
        except Exception as exc:  # noqa: BLE001 - a model is a user's code, and may raise anything
            errors += 1
            log.debug("rows_not_predicted", digest=model.digest, rows=end - start, cause=repr(exc))
            middle = (start + end) // 2
            parts += [(start, middle), (middle, end)] if end - start > 1 else []
    return predictions


def _feedback_labels(lake_root: Path, rows: "pd.DataFrame", as_of: datetime) -> "pd.Series[float]":
    import pandas as pd

    table = feedback_table(lake_root)
    if table.version() is None or rows.empty:
        return pd.Series(float("nan"), index=rows.index)
    labels = table.read(since=rows[AT].min(), until=as_of, day_column=AT, columns=[*_ROW, "label"])
    last = labels.drop_duplicates(_ROW, keep="last")
    return rows[_ROW].merge(last, how="left", on=_ROW)["label"].astype("float64").set_axis(rows.index)


def _labels_by_key(source: LabelSource, rows: "pd.DataFrame", as_of: datetime) -> "pd.Series[float]":
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
    found: pd.Series[float] = join_labels(dated, source, as_of)[LABEL]
    return unknown.where(~rows.index.isin(found.index), found.reindex(rows.index))
