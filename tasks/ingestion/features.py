"""Features of days that are in the lake: computed by the pipeline's own function, and committed.

They are computed again when a batch that they depend on came late or was corrected.
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
from tasks.ingestion.validation.table_rules import lake_schema
from tasks.lake.columns import ASKED_AT, BATCH_DAY, FEATURES
from tasks.ledger.batches import BatchState
from tasks.ledger.records import BatchStatus, FeatureRecord
from tasks.runtime import crash_points as points

if TYPE_CHECKING:
    import pandas as pd


def update_features(stores: Stores, chunk_days: int) -> int:
    """Compute and commit the features of all days where they are missing or out of date; returns how many rows.

    At most `chunk_days` days are held in memory. Safe to repeat. ConfigError when the pipeline's function does not
    return exactly one row per row of the batch table.
    """
    pending = pending_days(stores)
    rows = sum(_update_days(stores, days, pending) for days in _adjoining(sorted(pending), chunk_days))
    points.reached("ingest.features", rows=rows)
    return rows


def pending_days(stores: Stores) -> dict[date, int]:
    """Days whose features are missing or out of date, with the number of input revisions that there are now.

    The number is the sum of the revisions of every batch that the day's features depend on. It only grows, so a day is
    pending exactly when one of its batches came late or was corrected.
    """
    pipeline = stores.pipeline
    states = stores.ledger.batch_states(pipeline.name)
    computed = stores.ledger.features(pipeline.name)
    days = [
        day
        for (table, day), state in states.items()
        if table == pipeline.batch_table and state.status is not BatchStatus.REJECTED
    ]
    inputs = {day: _input_revisions(pipeline, states, day) for day in days}
    return {day: number for day, number in inputs.items() if day not in computed or computed[day].inputs < number}


def _update_days(stores: Stores, days: Sequence[date], inputs: Mapping[date, int]) -> int:
    """Compute and commit the features of adjoining days in one commit; returns how many rows."""
    name, table = stores.pipeline.name, stores.lake(FEATURES)
    features = _as_arrow(stores.pipeline, _compute(stores, days))
    rows = Counter(features[BATCH_DAY].to_pylist())
    notes = {batch_id(FEATURES, day): _note(inputs[day], rows[day]) for day in days}
    version = table.commit(table.plan_merge(features), notes)
    points.reached("ingest.features_committed", rows=features.num_rows)
    stores.ledger.record_features([FeatureRecord(name, day, inputs[day], rows[day], version) for day in days])
    return int(features.num_rows)


def _note(inputs: int, rows: int) -> dict[str, object]:
    return {"rows": rows, "inputs": inputs, "revision": inputs, "made_at": datetime.now(UTC).isoformat()}


def _input_revisions(pipeline: Pipeline, states: Mapping[tuple[str, date], BatchState], day: date) -> int:
    """The sum of the revisions of all batches that the features of `day` depend on."""
    batches = (
        (name, day - timedelta(days=back))
        for name, table in pipeline.tables.items()
        for back in range(table.context_days + 1)
    )
    return sum(states[batch].revision for batch in batches if batch in states)


def _adjoining(days: Sequence[date], size: int) -> list[list[date]]:
    """The days split into runs of at most `size` days without a gap; features of a run are computed together."""
    runs: list[list[date]] = []
    for day in days:
        if runs and len(runs[-1]) < size and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs


def _compute(stores: Stores, days: Sequence[date]) -> "pd.DataFrame":
    """The features of `days`, by the pipeline's function."""
    pipeline = stores.pipeline
    tables = {name: _read_inputs(stores, name, min(days), max(days)) for name in pipeline.tables}
    features = pipeline.features(tables)
    _check_features(pipeline, features, tables[pipeline.batch_table])
    return features[features[BATCH_DAY].isin(set(days))]


def _read_inputs(stores: Stores, name: str, first: date, last: date) -> "pd.DataFrame":
    """The rows of a table that the features of [first, last] may use; none while the table does not exist."""
    table = stores.pipeline.tables[name]
    if stores.lake(name).version() is None:
        empty: pd.DataFrame = lake_schema(table).empty_table().to_pandas()
        return empty
    return stores.lake(name).read(since=first - timedelta(days=table.context_days), until=last)


def _check_features(pipeline: Pipeline, features: "pd.DataFrame", batch: "pd.DataFrame") -> None:
    for column in (pipeline.key, ASKED_AT, BATCH_DAY):
        if column not in features.columns:
            raise ConfigError(
                f"pipeline {pipeline.name}: expected {pipeline.features_path} to return a column {column!r}, found "
                f"{', '.join(map(str, features.columns))}"
            )
    if len(features) != len(batch) or set(features[pipeline.key]) != set(batch[pipeline.key]):
        raise ConfigError(
            f"pipeline {pipeline.name}: {pipeline.features_path} must return exactly one row per row of "
            f"{pipeline.batch_table}: expected {len(batch)} rows with the same keys, found {len(features)}"
        )


def _as_arrow(pipeline: Pipeline, features: "pd.DataFrame") -> pa.Table:
    fields: list[tuple[str, pa.DataType]] = [
        (pipeline.key, pa.string()),
        (ASKED_AT, pa.timestamp("us", tz="UTC")),
        (BATCH_DAY, pa.date32()),
    ]
    inputs = [name for name in features.columns if name not in (pipeline.key, ASKED_AT, BATCH_DAY)]
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
