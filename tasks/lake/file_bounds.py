"""Which files of a table may hold a key: the smallest and the largest value of each column stand in the Delta log."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_ROUNDED = timedelta(milliseconds=1)  # the Delta log cuts instants to milliseconds


def near_files(actions: pa.Table, rows: pa.Table, key: Sequence[str]) -> list[str]:
    """Paths of the files whose bounds leave room for the key of one of `rows`; a file without bounds is near.

    `actions` are a table's add actions, flattened: `path`, `min.NAME`, `max.NAME`.
    """
    near = [True] * actions.num_rows
    for name in key:
        if f"max.{name}" not in actions.column_names or not rows.num_rows:
            continue
        wanted = pc.min_max(rows[name]).as_py()
        stored = zip(actions[f"min.{name}"].to_pylist(), actions[f"max.{name}"].to_pylist(), strict=True)
        meets = _meets(wanted["min"], wanted["max"])
        near = [is_near and meets(*bounds) for is_near, bounds in zip(near, stored, strict=True)]
    return [path for path, is_near in zip(actions["path"].to_pylist(), near, strict=True) if is_near]


def _meets(low: Any, high: Any) -> Callable[[Any, Any], bool]:
    """Whether a file's bounds and [low, high] overlap, given how the log rounds values of this type."""

    def meets(smallest: Any, largest: Any) -> bool:
        if None in (low, high, smallest, largest):
            return True
        if isinstance(low, str):  # a long largest text is cut, so what begins with it may be in the file
            return bool(smallest <= high and (largest >= low or low.startswith(largest)))
        if isinstance(low, datetime):
            return bool(smallest - _ROUNDED <= high and largest + _ROUNDED >= low)
        return bool(smallest <= high and largest >= low)

    return meets
