"""The lake: one Delta table a table of the pipeline, written so that doing it twice is doing it once.

Every batch is an application transaction of the Delta log, and the commit that holds its rows carries a note on it, so
that the ledger can be made up for after a crash. What was compared with the table is committed on the version that it
was compared with, or not at all: of two writers, the second compares again.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from healing.errors import Conflict, StoreUnavailable
from tasks.lake.columns import BATCH_DAY
from tasks.lake.file_bounds import near_files
from tasks.lake.merge_plan import NEW_TABLE, Novelty, compare_rows, key_texts

if TYPE_CHECKING:
    import pandas as pd
    from deltalake import DeltaTable

Notes = Mapping[str, Mapping[str, Any]]

_NOTES = "autopilot.batches"  # key of a commit's metadata
_KEPT = {  # a version that a model was trained on is read again years later: `maintain` alone deletes
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 3650 days",
}


class LakeTable:
    """One table of the lake, in which `key` names a row. Keeps the table open between calls; for one thread."""

    def __init__(self, root: Path, name: str, key: Sequence[str]) -> None:
        self.path = root / name
        self._name = name
        self._key = list(key)
        self._opened: DeltaTable | None = None

    def version(self) -> int | None:
        """The Delta version that a reader sees now; None before the first commit."""
        table = self._open()
        return None if table is None else table.version()

    def columns(self) -> tuple[str, ...]:
        """Its columns as a reader sees them now: a table that was begun by an older version may lack some."""
        table = self._open()
        return () if table is None else tuple(table.schema().to_arrow().names)

    def has(self, batch_ids: Sequence[str]) -> list[bool]:
        """For each batch whether it is in. Costs milliseconds a batch; `notes` says the same of all new commits."""
        table = self._open()
        return [table is not None and table.transaction_version(batch) is not None for batch in batch_ids]

    def notes(self, after: int | None = None) -> list[tuple[int, Notes]]:
        """Version and notes of the commits after a version, oldest first; of all when it is None."""
        table = self._open()
        unread = None if table is None else table.version() - (NEW_TABLE if after is None else after)
        if table is None or unread is None or unread <= 0:
            return []
        found = [(int(each["version"]), json.loads(each.get(_NOTES, "{}"))) for each in table.history(unread)]
        return sorted((version, notes) for version, notes in found if notes)

    def progress(self, app: str) -> int:
        """How far `app` says that it has come, in the commit that last said so; 0 before the first."""
        table = self._open()
        return 0 if table is None else table.transaction_version(app) or 0

    def widen(self, schema: pa.Schema) -> None:
        """Add the columns of `schema` that the table does not have yet; they are null in the rows that it has."""
        from deltalake import Schema
        from deltalake.exceptions import DeltaError

        table = self._open()
        known = set() if table is None else {field.name for field in table.schema().fields}
        added = [field for field in Schema.from_arrow(schema).fields if field.name not in known]
        try:
            if table is not None and added:
                table.alter.add_columns(added)
        except (DeltaError, OSError) as exc:
            raise self._unreadable(exc) from exc

    def compare(self, rows: pa.Table, day_column: str) -> Novelty:
        """What of `rows` is new to the table as it is now, and what corrects it."""
        table = self._open()
        if table is None:
            return compare_rows(rows, rows.slice(0, 0), self._key, day_column, NEW_TABLE)
        return compare_rows(rows, self._known(table, rows), self._key, day_column, table.version())

    def commit(self, novelty: Novelty, notes: Notes, progress: tuple[str, int] | None = None) -> int:
        """Write in one commit, together with the fact that the batches named in `notes` are in; returns the version.

        `progress` is an app and how far it has come with this commit, which is further than before. Conflict when
        somebody else committed since the comparison: compare again. StoreUnavailable when the disk or the object store
        refuses.
        """
        from deltalake import CommitProperties, Transaction

        transactions = [Transaction(batch, int(note.get("revision", 1))) for batch, note in notes.items()]
        if progress is not None:
            app, place = progress
            if (found := self.progress(app)) >= place:
                raise Conflict(f"table {self._name}: expected {app} before {place}, found {found}; read it again")
            transactions.append(Transaction(app, place))
        table = self._open() if novelty.version is None else self._at(novelty.version)
        properties = CommitProperties(
            app_transactions=transactions,
            custom_metadata={_NOTES: json.dumps(notes)},
            max_commit_retries=None if novelty.version is None else 0,
        )
        return self._write(table, novelty, properties)

    def read(
        self,
        *,
        since: date | None = None,
        until: date | None = None,
        day_column: str = BATCH_DAY,
        columns: Sequence[str] | None = None,
        version: int | None = None,
    ) -> "pd.DataFrame":
        """Rows whose day is in [since, until], of the newest or of a pinned version, by day and key: see `rows`."""
        read = self.rows(since=since, until=until, day_column=day_column, columns=columns, version=version)
        frame: pd.DataFrame = read.to_pandas()
        return frame

    def rows(
        self,
        *,
        since: date | None = None,
        until: date | None = None,
        day_column: str = BATCH_DAY,
        columns: Sequence[str] | None = None,
        version: int | None = None,
    ) -> pa.Table:
        """The same in Arrow's types.

        The order is part of the answer: a model learnt from the same rows in another order is another model. Instants
        come as UTC microseconds, days as `datetime.date`. StoreUnavailable when the table does not exist yet, or a
        file of it is missing.
        """
        table = self._open() if version is None else self._pinned(version)
        if table is None:
            raise StoreUnavailable(f"expected table {self._name} at {self.path}, found none; ingest a day first")
        bounds = [ds.field(day_column) >= since] if since is not None else []
        bounds += [ds.field(day_column) <= until] if until is not None else []
        wanted = None
        for bound in bounds:
            wanted = bound if wanted is None else wanted & bound
        try:
            data = table.to_pyarrow_dataset()
            order = [name for name in (day_column, *self._key) if name in data.schema.names]
            shown = list(columns) if columns is not None else data.schema.names
            rows = data.to_table(columns=[*shown, *(name for name in order if name not in shown)], filter=wanted)
        except OSError as exc:
            raise self._unreadable(exc) from exc
        return rows.sort_by([(name, "ascending") for name in order]).select(shown)

    def count(self) -> int:
        """Rows in the newest version."""
        table = self._open()
        return 0 if table is None else int(table.to_pyarrow_dataset().count_rows())

    def _open(self) -> "DeltaTable | None":
        """The table as it is now; what is open already reads only the commits since."""
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            if self._opened is not None:
                self._opened.update_incremental()
            elif DeltaTable.is_deltatable(str(self.path)):
                self._opened = DeltaTable(self.path)
        except (DeltaError, OSError) as exc:
            self._opened = None
            raise self._unreadable(exc) from exc
        return self._opened

    def _pinned(self, version: int) -> "DeltaTable":
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            return DeltaTable(self.path, version=version)
        except (DeltaError, OSError) as exc:
            raise self._unreadable(exc) from exc

    def _at(self, version: int) -> "DeltaTable | None":
        """The table, if it is still at this version."""
        table = self._open()
        found = NEW_TABLE if table is None else table.version()
        if found != version:
            raise Conflict(f"table {self._name}: expected version {version}, found {found}; compare again")
        return table

    def _unreadable(self, exc: Exception) -> StoreUnavailable:
        return StoreUnavailable(f"table {self._name}: cannot read {self.path}: {exc}; fix access, or restore it")

    def _write(self, table: "DeltaTable | None", novelty: Novelty, properties: Any) -> int:
        from deltalake import write_deltalake
        from deltalake.exceptions import CommitFailedError, DeltaError

        try:
            if table is None:
                # With "append", whoever lost the race to make the table would add to it what it never compared.
                write_deltalake(
                    self.path, novelty.added, mode="error", configuration=_KEPT, commit_properties=properties
                )
            elif novelty.replaces is not None:
                days = "event_day >= '{}' AND event_day <= '{}'".format(*novelty.replaces)
                write_deltalake(table, novelty.added, mode="overwrite", predicate=days, commit_properties=properties)
            elif novelty.corrected.num_rows:
                self._merge(table, pa.concat_tables([novelty.added, novelty.corrected]), properties)
            else:
                write_deltalake(table, novelty.added, mode="append", commit_properties=properties)
        except (DeltaError, OSError) as exc:
            lost = isinstance(exc, CommitFailedError) or (table is None and self._open() is not None)
            self._opened = None  # a failed commit leaves the open table in an unknown state
            if lost:
                raise Conflict(f"table {self._name}: somebody else committed first ({exc}); compare again") from exc
            raise StoreUnavailable(
                f"table {self._name}: cannot write to {self.path}: {exc}; free space or fix access"
            ) from exc
        version = table.version() if table is not None else self.version()
        assert version is not None
        return version

    def _merge(self, table: "DeltaTable", rows: pa.Table, properties: Any) -> None:
        same_key = " AND ".join(f"stored.{name} = arrived.{name}" for name in self._key)
        merger = table.merge(
            rows, same_key, source_alias="arrived", target_alias="stored", commit_properties=properties
        )
        merger.when_matched_update_all().when_not_matched_insert_all().execute()

    def _known(self, table: "DeltaTable", rows: pa.Table) -> pa.Table:
        """Rows of the table that have a key of `rows`. Of files that may hold one, keys are read first."""
        near = set(near_files(pa.table(table.get_add_actions(flatten=True)), rows, self._key))
        if not near or not rows.num_rows:
            return rows.slice(0, 0)
        try:
            data = table.to_pyarrow_dataset()
            fragments = [fragment for fragment in data.get_fragments() if fragment.path in near]
            data = ds.FileSystemDataset(fragments, data.schema, data.format, data.filesystem)
            wanted = key_texts(rows, self._key)
            stored = data.to_table(columns=self._key)
            if not pc.any(pc.is_in(key_texts(stored, self._key), value_set=wanted)).as_py():
                return rows.slice(0, 0)
            found = data.to_table(columns=rows.column_names)
        except OSError as exc:
            raise self._unreadable(exc) from exc
        return found.filter(pc.is_in(key_texts(found, self._key), value_set=wanted)).cast(rows.schema)
