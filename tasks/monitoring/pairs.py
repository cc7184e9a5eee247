"""Rows that champion and challenger both answered, with what came true of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from releases.loader import LoadedModel, frame_of
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

Model = LoadedModel | str
"""A model, or its digest: of that one only answers count that the gateway logged."""

CHAMPION = "champion"  # columns: what each model answered
CHALLENGER = "challenger"
AT = "at"
FEATURES_JSON = "features"
_ROW = ["request_id", "row"]
_RAISED_MAX = 100  # of attempts to answer rows afterwards: each costs milliseconds, and a few odd rows take a dozen


@dataclass(frozen=True, slots=True)
class Pair:
    """The two models that are compared."""

    champion: Model
    challenger: Model


def digest_of(model: Model) -> str:
    return model.digest if isinstance(model, LoadedModel) else model


def pair_rows(lake_root: Path, pair: Pair, since: datetime, until: datetime) -> "pd.DataFrame":
    """Rows asked live in [since, until] that both models answered, by time.

    Columns: `request_id`, `row`, `at`, `key`, `features` as JSON, `champion`, `challenger`. An answer is the gateway's
    own, else the shadow's score, else what a loaded model answers to the logged features. Of a key that was asked for
    often the first asking counts, for one label says nothing twice. Probes and baseline answers are left out.
    """
    rows = _asked(lake_root, since, until)
    scores = _scored(lake_root, digest_of(pair.challenger), since)
    for column, model in ((CHAMPION, pair.champion), (CHALLENGER, pair.challenger)):
        answers = rows["prediction"].where(rows["digest"] == digest_of(model))
        if column == CHALLENGER:
            answers = answers.fillna(rows[_ROW].merge(scores, how="left", on=_ROW)["prediction"])
        rows[column] = answers
    for column, model in ((CHAMPION, pair.champion), (CHALLENGER, pair.challenger)):
        if isinstance(model, LoadedModel):
            missing = rows[column].isna()
            rows.loc[missing, column] = _answered_now(model, rows.loc[missing, FEATURES_JSON])
    both = rows[rows[CHAMPION].notna() & rows[CHALLENGER].notna()]
    again = both["key"].notna() & both.duplicated("key", keep="first")
    return both[~again][[*_ROW, AT, "key", FEATURES_JSON, CHAMPION, CHALLENGER]].reset_index(drop=True)


def with_labels(rows: "pd.DataFrame", pipeline: Pipeline, lake_root: Path, as_of: datetime) -> "pd.DataFrame":
    """`rows` plus `label`: what a client said of the row, else what the label table says of its key; NaN without."""
    said = _said(lake_root, rows, as_of)
    known = _known(label_source(pipeline, lake_root), rows, as_of)
    return rows.assign(**{LABEL: said.fillna(known)})


def with_columns(rows: "pd.DataFrame", columns: Sequence[str]) -> "pd.DataFrame":
    """`rows` plus the named features as they were asked with; None where a request did not have one."""
    asked = [json.loads(text) for text in rows[FEATURES_JSON]] if columns else []
    return rows.assign(**{column: [row.get(column) for row in asked] for column in columns})


def _asked(lake_root: Path, since: datetime, until: datetime) -> "pd.DataFrame":
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


def _answered_now(model: LoadedModel, features: "pd.Series[str]") -> "NDArray[np.float64]":
    """The model's answers to logged features; NaN to rows that it cannot answer, or that lack a column of its own."""
    import numpy as np

    names = model.manifest.input_schema.names
    asked = [json.loads(text) for text in features]
    able = [place for place, row in enumerate(asked) if all(name in row for name in names)]
    answers = np.full(len(asked), np.nan)
    if able:
        rows = frame_of(model.manifest, names, [[asked[place][name] for name in names] for place in able])
        answers[able] = _answered_in_parts(model, rows)
    return np.where(np.isfinite(answers), answers, np.nan)


def _answered_in_parts(model: LoadedModel, rows: "pd.DataFrame") -> "NDArray[np.float64]":
    """Answers to all rows but those that make the model raise, found by halves; after many of these, to none more."""
    import numpy as np

    answers = np.full(len(rows), np.nan)
    parts, raised = [(0, len(rows))], 0
    while parts and raised <= _RAISED_MAX:
        start, end = parts.pop()
        try:
            answers[start:end] = model.predict(rows.iloc[start:end])
        except Exception as exc:  # noqa: BLE001 - a model is a user's code, and may raise anything
            raised += 1
            log.debug("rows_not_answered", digest=model.digest, rows=end - start, cause=repr(exc))
            middle = (start + end) // 2
            parts += [(start, middle), (middle, end)] if end - start > 1 else []
    return answers


def _said(lake_root: Path, rows: "pd.DataFrame", as_of: datetime) -> "pd.Series[float]":
    import pandas as pd

    table = feedback_table(lake_root)
    if table.version() is None or rows.empty:
        return pd.Series(float("nan"), index=rows.index)
    labels = table.read(since=rows[AT].min(), until=as_of, day_column=AT, columns=[*_ROW, "label"])
    last = labels.drop_duplicates(_ROW, keep="last")
    return rows[_ROW].merge(last, how="left", on=_ROW)["label"].astype("float64").set_axis(rows.index)


def _known(source: LabelSource, rows: "pd.DataFrame", as_of: datetime) -> "pd.Series[float]":
    """Labels by key. The features say of which day a key is: a day of the data, not of the clock that asked."""
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
