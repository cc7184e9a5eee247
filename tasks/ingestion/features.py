"""Features of days that are in the lake: computed by the pipeline's own function, committed once.

They are computed again when a batch that they look back to came late or was corrected.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from healing.errors import ConfigError
from tasks.config.pipeline import Pipeline
from tasks.ingestion.sources import batch_id
from tasks.ingestion.stores import Stores
from tasks.ingestion.validate import arrow_schema
from tasks.lake.columns import ASKED_AT, BATCH_DAY, FEATURES
from tasks.ledger.batches import BatchState
from tasks.ledger.records import BatchStatus, FeatureRecord
from tasks.runtime import crash_points as points

if TYPE_CHECKING:
    import pandas as pd


def input_columns(pipeline: Pipeline, columns: Sequence[str]) -> list[str]:
    """The columns of the features table that the model gets: all but key, instant and day."""
    return [name for name in columns if name not in (pipeline.key, ASKED_AT, BATCH_DAY)]


def pending_days(stores: Stores) -> dict[date, int]:
    """Days whose features are missing or were made from less than there is now, with what there is now.

    What there is counts the revisions of every batch that a day's features look back to. It only grows, so features are
    computed again exactly when one of their batches came late or was corrected.
    """
    pipeline = stores.pipeline
    seen = stores.ledger.batch_states(pipeline.name)
    made = stores.ledger.features(pipeline.name)
    answered = [day for (table, day), batch in seen.items() if table == pipeline.batch_table and _holds_rows(batch)]
    inputs = {day: _revisions_below(pipeline, seen, day) for day in answered}
    return {day: number for day, number in inputs.items() if day not in made or made[day].inputs < number}


def commit_features(stores: Stores, pending: Mapping[date, int], chunk_days: int) -> int:
    """Compute and commit the features of `pending` days, as `pending_days` gives them; returns how many rows.

    At most `chunk_days` days are held in memory. ConfigError when the pipeline's function does not return one row a row
    of the batch table.
    """
    name, table = stores.pipeline.name, stores.lake(FEATURES)
    rows = 0
    for days in _adjoining(sorted(pending), chunk_days):
        found = _as_arrow(stores.pipeline, _build(stores, days))
        a_day = Counter(found[BATCH_DAY].to_pylist())
        notes = {batch_id(FEATURES, day): _note(pending[day], a_day[day]) for day in days}
        version = table.commit(table.plan_merge(found), notes)
        points.reached("ingest.features_committed", rows=found.num_rows)
        stores.ledger.record_features([FeatureRecord(name, day, pending[day], a_day[day], version) for day in days])
        rows += found.num_rows
    return rows


def _note(inputs: int, rows: int) -> dict[str, object]:
    return {"rows": rows, "inputs": inputs, "revision": inputs, "made_at": datetime.now(UTC).isoformat()}


def _holds_rows(batch: BatchState) -> bool:
    return batch.status is not BatchStatus.REJECTED


def _revisions_below(pipeline: Pipeline, seen: Mapping[tuple[str, date], BatchState], day: date) -> int:
    looked_at = [
        (name, day - timedelta(days=back))
        for name, table in pipeline.tables.items()
        for back in range(table.context_days + 1)
    ]
    return sum(seen[batch].revision for batch in looked_at if batch in seen)


def _adjoining(days: Sequence[date], size: int) -> list[list[date]]:
    """The days cut into runs of at most `size` without a gap: features of a run are computed together."""
    runs: list[list[date]] = []
    for day in days:
        if runs and len(runs[-1]) < size and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs


def _build(stores: Stores, days: Sequence[date]) -> "pd.DataFrame":
    pipeline = stores.pipeline
    first, last = min(days), max(days)
    tables = {
        name: stores.lake(name).read(since=first - timedelta(days=table.context_days), until=last)
        if stores.lake(name).version() is not None
        else arrow_schema(pipeline, name).empty_table().to_pandas()  # nothing came of it yet
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
