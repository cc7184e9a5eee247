"""A table of the lake: one Delta table per table of the pipeline, with commits that are safe to repeat.

Every batch is an application transaction of the Delta log. The commit that holds its rows also holds a note about it,
from which a lost ledger record is rebuilt. A merge plan is committed only on the version that it was made for; when
another writer was first, the caller plans again.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from healing.errors import Conflict, StoreUnavailable
from tasks.lake.columns import BATCH_DAY
from tasks.lake.delta_write import write_plan
from tasks.lake.key_lookup import stored_rows
from tasks.lake.lake_root import LakeRoot, storage_options, table_address
from tasks.lake.merge_plan import NEW_TABLE, MergePlan, plan_merge
from tasks.lake.row_scan import Days, count, day_range, exact_frame, scan

if TYPE_CHECKING:
    import pandas as pd
    from deltalake import CommitProperties, DeltaTable

Notes = Mapping[str, Mapping[str, Any]]  # by batch id
Progress = tuple[str, int]  # an application and how far it has come with a commit

_NOTES = "autopilot.batches"  # key in a commit's metadata


class LakeTable:
    """One table of the lake, whose rows are identified by `key`. Stays open between calls; for one thread only."""

    def __init__(self, root: LakeRoot, name: str, key: Sequence[str]) -> None:
        self.path = table_address(root, name)
        self._options = storage_options(root)
        self._name = name
        self._key = list(key)
        self._opened: DeltaTable | None = None

    def version(self) -> int | None:
        """The newest Delta version; None before the first commit."""
        table = self._open()
        return None if table is None else table.version()

    def columns(self) -> tuple[str, ...]:
        """Its columns now. A table that an older version of this program created may lack some."""
        table = self._open()
        return () if table is None else tuple(table.schema().to_arrow().names)

    def has(self, batch_ids: Sequence[str]) -> list[bool]:
        """For each batch whether it is committed. Costs milliseconds per batch; `notes` covers all new commits."""
        table = self._open()
        return [table is not None and table.transaction_version(batch) is not None for batch in batch_ids]

    def notes(self, after: int | None = None) -> list[tuple[int, Notes]]:
        """Version and notes of the commits after version `after`, oldest first; of all commits when it is None."""
        table = self._open()
        unread = None if table is None else table.version() - (NEW_TABLE if after is None else after)
        if table is None or unread is None or unread <= 0:
            return []
        found = [(int(each["version"]), json.loads(each.get(_NOTES, "{}"))) for each in table.history(unread)]
        return sorted((version, notes) for version, notes in found if notes)

    def progress(self, app: str) -> int:
        """How far `app` has come, as its last commit recorded it; 0 before the first."""
        table = self._open()
        return 0 if table is None else table.transaction_version(app) or 0

    def add_columns(self, schema: pa.Schema) -> None:
        """Add the columns of `schema` that the table lacks; they are null in its present rows."""
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

    def plan_merge(self, rows: pa.Table, day_column: str = BATCH_DAY) -> MergePlan:
        """Compare `rows` with the table as it is now: what is new, and what corrects a stored row."""
        table = self._open()
        if table is None:
            return plan_merge(rows, rows.slice(0, 0), self._key, day_column, NEW_TABLE)
        try:
            stored = stored_rows(table, rows, self._key)
        except OSError as exc:
            raise self._unreadable(exc) from exc
        return plan_merge(rows, stored, self._key, day_column, table.version())

    def commit(self, plan: MergePlan, notes: Notes, progress: Progress | None = None) -> int:
        """Write the plan and mark the batches named in `notes` as committed, in one commit; returns the version.

        `progress` must be further than before. Conflict when another writer committed since the plan was made: plan
        again. StoreUnavailable when the disk or the object store fails.
        """
        transactions = self._transactions(notes, progress)
        table = self._open() if plan.version is None else self._at(plan.version)
        return self._write(table, plan, _properties(transactions, notes, retry=plan.version is None))

    def append(
        self, rows: pa.Table, notes: Notes, *, corrected: pa.Table | None = None, progress: Progress | None = None
    ) -> int:
        """Add `rows` without comparing them; `corrected` rows replace those of the same key. Returns the version."""
        replacing = rows.slice(0, 0) if corrected is None else corrected
        return self.commit(MergePlan(rows, replacing), notes, progress)

    def replace_days(self, rows: pa.Table, since: date, until: date, notes: Notes) -> int:
        """Replace all rows of the days [since, until] by `rows`; returns the version. Errors as in `commit`."""
        plan = MergePlan(rows, rows.slice(0, 0), version=self.version(), replaced_days=(since, until))
        return self.commit(plan, notes)

    def read(
        self,
        *,
        since: date | None = None,
        until: date | None = None,
        day_column: str = BATCH_DAY,
        columns: Sequence[str] | None = None,
        version: int | None = None,
        keys: Sequence[str] | None = None,
    ) -> "pd.DataFrame":
        """Rows whose day is in [since, until], of the newest or of a pinned version, as a data frame: see `rows`."""
        read = self.rows(since=since, until=until, day_column=day_column, columns=columns, version=version, keys=keys)
        return exact_frame(read)

    def rows(
        self,
        *,
        since: date | None = None,
        until: date | None = None,
        day_column: str = BATCH_DAY,
        columns: Sequence[str] | None = None,
        version: int | None = None,
        keys: Sequence[str] | None = None,
    ) -> pa.Table:
        """Rows whose day is in [since, until], in Arrow's types, sorted by day and key.

        The order is fixed because a model that is fitted on the same rows in another order is another model. Instants
        are UTC microseconds, days `datetime.date`. With `keys`, values of the first key column, other rows are never
        in memory together. StoreUnavailable when the table does not exist yet, or when one of its files is missing.
        """
        chosen = None if keys is None else (self._key[0], pa.array(keys, pa.string()))
        order = (day_column, *self._key)
        with self._reading(version) as table:
            return scan(table, Days(day_column, since, until), order, columns, chosen)

    def count(self, since: date | None = None, until: date | None = None, version: int | None = None) -> int:
        """Number of rows whose day is in [since, until]; 0 before the first commit."""
        if version is None and self._open() is None:
            return 0
        with self._reading(version) as table:
            return count(table, Days(BATCH_DAY, since, until))

    def day_range(self) -> tuple[date, date] | None:
        """The first and the last day, None without rows; StoreUnavailable as in `rows`."""
        with self._reading(None) as table:
            return day_range(table, BATCH_DAY)

    @contextmanager
    def _reading(self, version: int | None) -> "Iterator[DeltaTable]":
        """The table at a version (None: the newest), with errors of its files as StoreUnavailable."""
        table = self._open() if version is None else self._pinned(version)
        if table is None:
            raise StoreUnavailable(f"expected table {self._name} at {self.path}, found none; ingest a day first")
        try:
            yield table
        except OSError as exc:
            raise self._unreadable(exc) from exc

    def _open(self) -> "DeltaTable | None":
        """The table as it is now; once open, only new commits are read."""
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        try:
            if self._opened is not None:
                self._opened.update_incremental()
            else:  # not `is_deltatable`, which stops every thread of the process while an object store is silent
                self._opened = DeltaTable(self.path, storage_options=self._options)
        except TableNotFoundError:
            self._opened = None
        except (DeltaError, OSError) as exc:
            self._opened = None
            raise self._unreadable(exc) from exc
        return self._opened

    def _pinned(self, version: int) -> "DeltaTable":
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            return DeltaTable(self.path, version=version, storage_options=self._options)
        except (DeltaError, OSError) as exc:
            raise self._unreadable(exc) from exc

    def _at(self, version: int) -> "DeltaTable | None":
        """The table, if it is still at this version."""
        table = self._open()
        found = NEW_TABLE if table is None else table.version()
        if found != version:
            raise Conflict(f"table {self._name}: expected version {version}, found {found}; compare again")
        return table

    def _transactions(self, notes: Notes, progress: Progress | None) -> list[Progress]:
        transactions = [(batch, int(note.get("revision", 1))) for batch, note in notes.items()]
        if progress is not None:
            app, position = progress
            if (found := self.progress(app)) >= position:
                raise Conflict(f"table {self._name}: expected {app} before {position}, found {found}; read it again")
            transactions.append(progress)
        return transactions

    def _write(self, table: "DeltaTable | None", plan: MergePlan, properties: "CommitProperties") -> int:
        from deltalake.exceptions import CommitFailedError, DeltaError

        try:
            write_plan(self.path, self._options, table, plan, self._key, properties)
        except (DeltaError, OSError) as exc:
            lost = isinstance(exc, CommitFailedError) or (table is None and self._open() is not None)
            self._opened = None  # a failed commit leaves the open table in an unknown state
            if lost:
                raise Conflict(f"table {self._name}: another writer committed first ({exc}); compare again") from exc
            raise StoreUnavailable(
                f"table {self._name}: cannot write to {self.path}: {exc}; free space or fix access"
            ) from exc
        version = table.version() if table is not None else self.version()
        assert version is not None
        return version

    def _unreadable(self, exc: Exception) -> StoreUnavailable:
        return StoreUnavailable(f"table {self._name}: cannot read {self.path}: {exc}; fix access, or restore it")


def _properties(transactions: Sequence[Progress], notes: Notes, *, retry: bool) -> "CommitProperties":
    """Without `retry`, Delta must not commit on top of a version that the plan was not made for."""
    from deltalake import CommitProperties, Transaction

    return CommitProperties(
        app_transactions=[Transaction(app, version) for app, version in transactions],
        custom_metadata={_NOTES: json.dumps(notes)},
        max_commit_retries=None if retry else 0,
    )
