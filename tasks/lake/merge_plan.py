"""What arrived, compared with what is there: new, corrected, unchanged, or older than what is known.

The newest row of a key wins, and newest means of the latest day, not the latest to arrive. So batches may come in any
order and end in the same table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

NEW_TABLE = -1  # version of a table that is not there yet


@dataclass(frozen=True, slots=True)
class Novelty:
    """Rows compared with the table at `version`: what to add, and what to replace because it was corrected.

    `unchanged` counts by day the rows that are there already, `duplicates` those that another row overrides: a later
    one of the same arrival, or a stored one of a later day. `changed_days` are those of rows to add or replace.
    `version` is None where nothing was compared. With `replaces`, all rows of the table from the first of these days to
    the last give way to `added`.
    """

    added: pa.Table
    corrected: pa.Table
    duplicates: Mapping[date, int] = field(default_factory=dict)
    unchanged: Mapping[date, int] = field(default_factory=dict)
    changed_days: frozenset[date] = frozenset()
    version: int | None = None
    replaces: tuple[date, date] | None = None


def latest_rows(rows: pa.Table, key: Sequence[str], day_column: str) -> tuple[pa.Table, pa.Table]:
    """The newest row of each key, and the rows that these override. Of one day the last to arrive is the newest."""
    ordered = rows.append_column("place", pa.array(range(rows.num_rows), pa.int64()))
    ordered = ordered.sort_by([(day_column, "ascending"), ("place", "ascending")]).drop_columns(["place"])
    place = pa.array(range(rows.num_rows), pa.int64())
    last = pa.table({"key": key_texts(ordered, key), "place": place}).group_by("key").aggregate([("place", "max")])
    is_last = pc.is_in(place, value_set=last["place_max"])
    return ordered.filter(is_last), ordered.filter(pc.invert(is_last))


def compare_rows(rows: pa.Table, known: pa.Table, key: Sequence[str], day_column: str, version: int) -> Novelty:
    """Sort `rows` by what `known` says of their keys; `known` are all rows of the table that have one of these keys."""
    latest, overridden = latest_rows(rows, key, day_column)
    if not known.num_rows:
        known = latest.slice(0, 0)
    place = pc.index_in(key_texts(latest, key), value_set=key_texts(known, key))
    met = latest.filter(pc.is_valid(place))
    stored = known.take(pc.drop_null(place))
    same = pc.equal(key_texts(met, met.column_names), key_texts(stored, met.column_names))
    older = pc.and_(pc.invert(same), pc.less(met[day_column], stored[day_column]))
    newer = pc.invert(pc.or_(same, older))
    dropped = [*overridden[day_column].chunks, *met.filter(older)[day_column].chunks]
    added, corrected = latest.filter(pc.is_null(place)), met.filter(newer)
    return Novelty(
        added=added,
        corrected=corrected,
        duplicates=_count(pa.chunked_array(dropped, pa.date32())),
        unchanged=_count(met.filter(same)[day_column]),
        changed_days=frozenset(_count(added[day_column])) | frozenset(_count(corrected[day_column])),
        version=version,
    )


def key_texts(rows: pa.Table, columns: Sequence[str]) -> pa.ChunkedArray:
    """One text a row from the named columns, equal exactly when all of them are."""
    parts = [pc.fill_null(pc.cast(rows[name], pa.string()), "\x00") for name in columns]
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "\x1f")


def _count(days: pa.ChunkedArray) -> dict[date, int]:
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(days).to_pylist()}
