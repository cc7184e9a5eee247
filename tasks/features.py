"""Features of days that are in the lake: computed by the pipeline's own function, committed once."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from healing.errors import ConfigError
from tasks.contract import BATCH_DAY
from tasks.lake import LakeTable
from tasks.pipeline import Pipeline
from tasks.sources import batch_id

if TYPE_CHECKING:
    import pandas as pd

FEATURES = "features"  # name of the table, and of its batches
ASKED_AT = "asked_at"  # column: the instant at which the prediction is wanted; nothing later may be known


def features_table(pipeline: Pipeline, lake_root: Path) -> LakeTable:
    return LakeTable(lake_root, FEATURES, [pipeline.key])


def input_columns(pipeline: Pipeline, columns: Sequence[str]) -> list[str]:
    """The columns of the features table that the model gets: all but key, instant and day."""
    return [name for name in columns if name not in (pipeline.key, ASKED_AT, BATCH_DAY)]


def pending_days(pipeline: Pipeline, lake_root: Path, days: Sequence[date]) -> list[date]:
    """Those of `days` whose features are not committed yet."""
    done = features_table(pipeline, lake_root).has([batch_id(FEATURES, day) for day in days])
    return [day for day, is_done in zip(days, done, strict=True) if not is_done]


def commit_features(pipeline: Pipeline, lake_root: Path, days: Sequence[date]) -> int:
    """Compute and commit the features of consecutive `days`; returns the number of rows.

    ConfigError when the pipeline's function does not return one row a row of the batch table.
    """
    rows = _as_arrow(pipeline, _build(pipeline, lake_root, days))
    table = features_table(pipeline, lake_root)
    notes = {batch_id(FEATURES, day): {"rows": rows.num_rows} for day in days}
    table.commit(table.compare(rows, BATCH_DAY), notes)
    return len(rows)


def _build(pipeline: Pipeline, lake_root: Path, days: Sequence[date]) -> "pd.DataFrame":
    first, last = min(days), max(days)
    tables = {
        name: LakeTable(lake_root, name, table.key).read(since=first - timedelta(days=table.context_days), until=last)
        for name, table in pipeline.tables.items()
    }
    batch = tables[pipeline.batch_table]
    features = pipeline.features(tables)
    for column in (pipeline.key, ASKED_AT, BATCH_DAY):
        if column not in features.columns:
            raise ConfigError(f"pipeline {pipeline.name}: {pipeline.features_path} returns no column {column!r}")
    if len(features) != len(batch) or set(features[pipeline.key]) != set(batch[pipeline.key]):
        raise ConfigError(
            f"pipeline {pipeline.name}: {pipeline.features_path} must return one row a row of {pipeline.batch_table}: "
            f"expected {len(batch)}, found {len(features)}"
        )
    return features[features[BATCH_DAY].isin(set(days))]


def _as_arrow(pipeline: Pipeline, features: "pd.DataFrame") -> pa.Table:
    fields: list[tuple[str, pa.DataType]] = [
        (pipeline.key, pa.string()),
        (ASKED_AT, pa.timestamp("us", tz="UTC")),
        (BATCH_DAY, pa.date32()),
    ]
    inputs = input_columns(pipeline, list(features.columns))
    fields += [(name, _arrow_type(name, features[name])) for name in inputs]
    return pa.Table.from_pandas(features, schema=pa.schema(fields), preserve_index=False)


def _arrow_type(name: str, values: "pd.Series[Any]") -> pa.DataType:
    from pandas.api import types

    if types.is_bool_dtype(values.dtype):
        return pa.bool_()
    if types.is_integer_dtype(values.dtype):
        return pa.int64()
    if types.is_float_dtype(values.dtype):
        return pa.float64()
    if types.is_object_dtype(values.dtype) or types.is_string_dtype(values.dtype):
        return pa.string()
    raise ConfigError(f"feature {name!r}: expected text, a number or a boolean, found {values.dtype}")
