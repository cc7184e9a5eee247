"""The plan of a merge: which arrived rows are new, which correct a stored row, and which change nothing.

The newest row of a key wins. Newest means of the latest day, not the latest to arrive, so batches may arrive in any
order and the table ends the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

NEW_TABLE = -1  # version of a table that does not exist yet


@dataclass(frozen=True, slots=True)
class MergePlan:
    """Rows to add, and rows that replace a stored row of the same key.

    `unchanged` counts by day the rows that the table holds already. `duplicates` counts by day the rows that another
    row overrides: a later one of the same arrival, or a stored one of a later day. `changed_days` are the days of the
    rows to add or replace. The plan holds for `version` of the table only; None where nothing was compared. With
    `replaced_days`, all stored rows from the first to the last of these days are replaced by `added`.
    """

    added: pa.Table
    corrected: pa.Table
    duplicates: Mapping[date, int] = field(default_factory=dict)
    unchanged: Mapping[date, int] = field(default_factory=dict)
    changed_days: frozenset[date] = frozenset()
    version: int | None = None
    replaced_days: tuple[date, date] | None = None


def plan_merge(rows: pa.Table, stored: pa.Table, key: Sequence[str], day_column: str, version: int) -> MergePlan:
    """Compare `rows` with `stored`, which holds all rows of the table that have one of the keys of `rows`."""
    latest, overridden = latest_rows(rows, key, day_column)
    if not stored.num_rows:
        stored = latest.slice(0, 0)
    position = pc.index_in(row_texts(latest, key), value_set=row_texts(stored, key))
    arrived = latest.filter(pc.is_valid(position))
    before = stored.take(pc.drop_null(position))
    same = pc.equal(row_texts(arrived, arrived.column_names), row_texts(before, arrived.column_names))
    older = pc.and_(pc.invert(same), pc.less(arrived[day_column], before[day_column]))
    newer = pc.invert(pc.or_(same, older))
    dropped = [*overridden[day_column].chunks, *arrived.filter(older)[day_column].chunks]
    added, corrected = latest.filter(pc.is_null(position)), arrived.filter(newer)
    return MergePlan(
        added=added,
        corrected=corrected,
        duplicates=_count(pa.chunked_array(dropped, pa.date32())),
        unchanged=_count(arrived.filter(same)[day_column]),
        changed_days=frozenset(_count(added[day_column])) | frozenset(_count(corrected[day_column])),
        version=version,
    )


def latest_rows(rows: pa.Table, key: Sequence[str], day_column: str) -> tuple[pa.Table, pa.Table]:
    """The newest row of each key, and the rows that these override. Of one day the last to arrive is the newest."""
    ordered = rows.append_column("position", pa.array(range(rows.num_rows), pa.int64()))
    ordered = ordered.sort_by([(day_column, "ascending"), ("position", "ascending")]).drop_columns(["position"])
    position = pa.array(range(rows.num_rows), pa.int64())
    keyed = pa.table({"key": row_texts(ordered, key), "position": position})
    last = keyed.group_by("key").aggregate([("position", "max")])
    is_last = pc.is_in(position, value_set=last["position_max"])
    return ordered.filter(is_last), ordered.filter(pc.invert(is_last))


def row_texts(rows: pa.Table, columns: Sequence[str]) -> pa.ChunkedArray:
    """One text per row from the named columns; two texts are equal exactly when all these columns are."""
    parts = [pc.fill_null(pc.cast(rows[name], pa.string()), "\x00") for name in columns]
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "\x1f")


def _count(days: pa.ChunkedArray) -> dict[date, int]:
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(days).to_pylist()}
