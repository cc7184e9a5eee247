"""The lake: one Delta table a table of the pipeline, written so that doing it twice is doing it once.

Every batch is an application transaction of the Delta log: the commit that holds its rows also says that the batch is
in, and Delta refuses a second one. The commit carries a note on each batch, from which the ledger can be made up for
after a crash.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from healing.errors import Conflict, StoreUnavailable

if TYPE_CHECKING:
    import pandas as pd
    from deltalake import DeltaTable

_NOTES = "autopilot.batches"  # key of a commit's metadata
_DONE = 1  # a batch's application version: it is in, or it is not


@dataclass(frozen=True, slots=True)
class Novelty:
    """Rows compared with the table: what to add, what to replace because it was corrected, and what is there already.

    `duplicates` counts the latter by day, together with rows that a later row of the same batch overrides.
    """

    added: pa.Table
    corrected: pa.Table
    duplicates: Mapping[date, int]


class LakeTable:
    """One table of the lake, in which `key` names a row."""

    def __init__(self, root: Path, name: str, key: Sequence[str]) -> None:
        self.path = root / name
        self._name = name
        self._key = list(key)

    def version(self) -> int | None:
        """The Delta version that a reader sees now; None before the first commit."""
        table = self._open()
        return None if table is None else table.version()

    def has(self, batch_ids: Sequence[str]) -> list[bool]:
        """For each batch whether it is in."""
        table = self._open()
        return [table is not None and table.transaction_version(batch) is not None for batch in batch_ids]

    def note(self, batch_id: str) -> tuple[int, dict[str, Any]] | None:
        """Version and note of the commit that brought the batch in; None when no commit did."""
        table = self._open()
        for commit in table.history() if table is not None else []:
            notes = json.loads(commit.get(_NOTES, "{}"))
            if batch_id in notes:
                return int(commit["version"]), notes[batch_id]
        return None

    def progress(self, app: str) -> int:
        """How far `app` says that it has come, in the commit that last said so; 0 before the first."""
        table = self._open()
        return 0 if table is None else table.transaction_version(app) or 0

    def compare(self, rows: pa.Table, day_column: str) -> Novelty:
        """Sort `rows` into new, corrected and already there. Of equal keys within `rows` the last is the newest."""
        latest, overridden = self._latest(rows)
        known = self._known(latest)
        key_of_known = _keys(known, self._key)
        is_known = pc.is_in(_keys(latest, self._key), value_set=key_of_known) if known.num_rows else None
        if is_known is None:
            return Novelty(latest, latest.slice(0, 0), _count(overridden[day_column]))
        met = latest.filter(is_known)
        same = pc.is_in(_keys(met, met.column_names), value_set=_keys(known, met.column_names))
        dropped = pa.chunked_array([*overridden[day_column].chunks, *met.filter(same)[day_column].chunks], pa.date32())
        return Novelty(latest.filter(pc.invert(is_known)), met.filter(pc.invert(same)), _count(dropped))

    def commit(
        self,
        novelty: Novelty,
        notes: Mapping[str, Mapping[str, Any]],
        progress: tuple[str, int] | None = None,
    ) -> int:
        """Write in one commit, together with the fact that the batches named in `notes` are in; returns the version.

        `progress` is an app and how far it has come with this commit, which is further than before. Conflict when
        somebody else brought one of them in meanwhile: compare again. StoreUnavailable when the disk or the object
        store refuses.
        """
        from deltalake import CommitProperties, Transaction, write_deltalake
        from deltalake.exceptions import CommitFailedError, DeltaError

        transactions = [Transaction(batch, _DONE) for batch in notes]
        if progress is not None:
            app, place = progress
            if (found := self.progress(app)) >= place:
                raise Conflict(f"table {self._name}: expected {app} before {place}, found {found}; read it again")
            transactions.append(Transaction(app, place))
        properties = CommitProperties(app_transactions=transactions, custom_metadata={_NOTES: json.dumps(notes)})
        if any(self.has(list(notes))):
            raise Conflict(
                f"table {self._name}: expected none of {', '.join(notes)} to be in, found some; compare again"
            )
        try:
            if novelty.corrected.num_rows:
                self._merge(pa.concat_tables([novelty.added, novelty.corrected]), properties)
            else:
                write_deltalake(self.path, novelty.added, mode="append", commit_properties=properties)
        except CommitFailedError as exc:
            raise Conflict(f"table {self._name}: somebody else committed first ({exc}); compare again") from exc
        except (DeltaError, OSError) as exc:
            raise StoreUnavailable(
                f"table {self._name}: cannot write to {self.path}: {exc}; free space or fix access"
            ) from exc
        version = self.version()
        assert version is not None
        return version

    def read(
        self,
        *,
        since: date | None = None,
        until: date | None = None,
        day_column: str = "event_day",
        columns: Sequence[str] | None = None,
        version: int | None = None,
    ) -> "pd.DataFrame":
        """Rows whose day is in [since, until], of the newest or of a pinned version, by day and key.

        The order is part of the answer: a model learnt from the same rows in another order is another model. Instants
        come as UTC microseconds, days as `datetime.date`. StoreUnavailable when the table does not exist yet.
        """
        table = self._open(version)
        if table is None:
            raise StoreUnavailable(f"expected table {self._name} at {self.path}, found none; ingest a day first")
        bounds = [ds.field(day_column) >= since] if since is not None else []
        bounds += [ds.field(day_column) <= until] if until is not None else []
        wanted = None
        for bound in bounds:
            wanted = bound if wanted is None else wanted & bound
        data = table.to_pyarrow_dataset()
        order = [name for name in (day_column, *self._key) if name in data.schema.names]
        shown = list(columns) if columns is not None else data.schema.names
        rows = data.to_table(columns=[*shown, *(name for name in order if name not in shown)], filter=wanted)
        frame: pd.DataFrame = rows.sort_by([(name, "ascending") for name in order]).select(shown).to_pandas()
        return frame

    def count(self) -> int:
        """Rows in the newest version."""
        table = self._open()
        return 0 if table is None else int(table.to_pyarrow_dataset().count_rows())

    def _open(self, version: int | None = None) -> "DeltaTable | None":
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            exists = DeltaTable.is_deltatable(str(self.path))
            return DeltaTable(self.path, version=version) if exists else None
        except (DeltaError, OSError) as exc:
            raise StoreUnavailable(
                f"table {self._name}: cannot read {self.path}: {exc}; fix access, or restore it"
            ) from exc

    def _latest(self, rows: pa.Table) -> tuple[pa.Table, pa.Table]:
        """The last row of each key, and the rows that these override."""
        place = pa.array(range(rows.num_rows), pa.int64())
        last = pa.table({"key": _keys(rows, self._key), "place": place}).group_by("key").aggregate([("place", "max")])
        is_last = pc.is_in(place, value_set=last["place_max"])
        return rows.filter(is_last), rows.filter(pc.invert(is_last))

    def _known(self, rows: pa.Table) -> pa.Table:
        """Rows of the table that have a key of `rows`; their keys alone are read before any row is."""
        table = self._open()
        if table is None or not rows.num_rows:
            return rows.slice(0, 0)
        data = table.to_pyarrow_dataset()
        stored = data.to_table(columns=self._key)
        if not pc.any(pc.is_in(_keys(stored, self._key), value_set=_keys(rows, self._key))).as_py():
            return rows.slice(0, 0)
        # No filter on text here: after a merge Delta's statistics are of a type that Arrow cannot compare with text.
        near = data.to_table(columns=rows.column_names)
        return near.filter(pc.is_in(_keys(near, self._key), value_set=_keys(rows, self._key))).cast(rows.schema)

    def _merge(self, rows: pa.Table, properties: Any) -> None:
        from deltalake import DeltaTable

        same_key = " AND ".join(f"stored.{name} = arrived.{name}" for name in self._key)
        merger = DeltaTable(self.path).merge(
            rows, same_key, source_alias="arrived", target_alias="stored", commit_properties=properties
        )
        merger.when_matched_update_all().when_not_matched_insert_all().execute()


def _keys(rows: pa.Table, columns: Sequence[str]) -> pa.ChunkedArray:
    """One text a row from the named columns, equal exactly when all of them are."""
    parts = [pc.fill_null(pc.cast(rows[name], pa.string()), "\x00") for name in columns]
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "\x1f")


def _count(days: pa.ChunkedArray) -> dict[date, int]:
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(days).to_pylist()}
