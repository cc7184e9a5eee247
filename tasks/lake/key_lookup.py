"""Find the stored rows that have one of the given keys, without reading the whole table.

The Delta log holds the smallest and the largest value of each column of a file. Only files whose bounds may include a
wanted key are read.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from tasks.lake.merge_plan import row_texts

if TYPE_CHECKING:
    from deltalake import DeltaTable

_LOG_PRECISION = timedelta(milliseconds=1)  # the Delta log truncates timestamps to milliseconds


def stored_rows(table: "DeltaTable", rows: pa.Table, key: Sequence[str]) -> pa.Table:
    """Rows of `table` that have the key of one of `rows`, with the schema of `rows`.

    Of the candidate files only the keys are read first. OSError when a file cannot be read.
    """
    candidates = set(candidate_files(pa.table(table.get_add_actions(flatten=True)), rows, key))
    if not candidates or not rows.num_rows:
        return rows.slice(0, 0)
    data = table.to_pyarrow_dataset()
    fragments = [fragment for fragment in data.get_fragments() if fragment.path in candidates]
    data = ds.FileSystemDataset(fragments, data.schema, data.format, data.filesystem)
    wanted = row_texts(rows, key)
    if not pc.any(pc.is_in(row_texts(data.to_table(columns=list(key)), key), value_set=wanted)).as_py():
        return rows.slice(0, 0)
    found = data.to_table(columns=rows.column_names)
    return found.filter(pc.is_in(row_texts(found, key), value_set=wanted)).cast(rows.schema)


def candidate_files(actions: pa.Table, rows: pa.Table, key: Sequence[str]) -> list[str]:
    """Paths of the files that may hold the key of one of `rows`; a file without bounds is a candidate.

    `actions` are the table's add actions, flattened: `path`, `min.NAME`, `max.NAME`.
    """
    candidate = [True] * actions.num_rows
    for name in key:
        if f"max.{name}" not in actions.column_names or not rows.num_rows:
            continue
        wanted = pc.min_max(rows[name]).as_py()
        bounds = zip(actions[f"min.{name}"].to_pylist(), actions[f"max.{name}"].to_pylist(), strict=True)
        overlaps = _overlap_test(wanted["min"], wanted["max"])
        candidate = [before and overlaps(*each) for before, each in zip(candidate, bounds, strict=True)]
    return [path for path, is_one in zip(actions["path"].to_pylist(), candidate, strict=True) if is_one]


def _overlap_test(low: Any, high: Any) -> Callable[[Any, Any], bool]:
    """Whether a file's bounds may overlap [low, high], given how the log rounds values of this type."""

    def overlaps(smallest: Any, largest: Any) -> bool:
        if None in (low, high, smallest, largest):
            return True
        if isinstance(low, str):  # the log truncates a long maximum, so a value that starts with it may be in the file
            return bool(smallest <= high and (largest >= low or low.startswith(largest)))
        if isinstance(low, datetime):
            return bool(smallest - _LOG_PRECISION <= high and largest + _LOG_PRECISION >= low)
        return bool(smallest <= high and largest >= low)

    return overlaps
