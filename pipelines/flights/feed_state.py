"""State of the feed: its clock, and the faults of its primary. Both survive a restart.

The primary and the mirror share one directory, and so one clock.
"""

import json
import os
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, TypeAdapter

from pipelines.flights.archive import day_start

INITIAL_NOW = day_start(date(2013, 3, 1)).astimezone(UTC)  # January and February are the training data


class _Fault(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    table: Literal["flights", "weather", "outcomes"]
    day: date


class Rename(_Fault):
    """The batch has other column names: `columns` maps correct names to wrong ones."""

    kind: Literal["rename"]
    columns: dict[str, str]

    def apply(self, rows: pa.Table) -> pa.Table:
        return rows.rename_columns([self.columns.get(name, name) for name in rows.column_names])


class Null(_Fault):
    """In a `share` of the rows, chosen by `seed`, the value in `column` is missing."""

    kind: Literal["null"]
    column: str
    share: float = Field(ge=0, le=1)
    seed: int = 0

    def apply(self, rows: pa.Table) -> pa.Table:
        if self.column not in rows.column_names:
            return rows
        missing = pa.array(np.random.default_rng(self.seed).random(rows.num_rows) < self.share)
        with_nulls = pc.if_else(missing, pa.scalar(None, rows[self.column].type), rows[self.column])
        return rows.set_column(rows.column_names.index(self.column), self.column, with_nulls)


class Content(_Fault):
    """The batch is delivered with these bytes, whatever they are; other faults of the batch have no effect."""

    kind: Literal["content"]
    body: Base64Bytes


class Absent(_Fault):
    """The batch is not there: the answer is 404, as for a day that has not ended."""

    kind: Literal["absent"]


AnyFault = Rename | Null | Content | Absent
FAULTS: TypeAdapter[list[AnyFault]] = TypeAdapter(list[Annotated[AnyFault, Field(discriminator="kind")]])


class FeedState:
    """Clock and faults in a directory, read at every request because another process may have changed them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._clock = folder / "clock.json"
        self._faults = folder / "faults.json"

    @property
    def now(self) -> datetime:
        if not self._clock.exists():
            return INITIAL_NOW
        return datetime.fromisoformat(json.loads(self._clock.read_bytes())["now"])

    def set_now(self, now: datetime) -> None:
        _replace(self._clock, json.dumps({"now": now.astimezone(UTC).isoformat()}).encode())

    @property
    def faults(self) -> list[AnyFault]:
        return FAULTS.validate_json(self._faults.read_bytes()) if self._faults.exists() else []

    def set_faults(self, faults: list[AnyFault]) -> None:
        _replace(self._faults, FAULTS.dump_json(faults))

    def break_batch(self, rows: pa.Table, table: str, day: date) -> pa.Table:
        """The rows after this batch's faults, applied in their order."""
        for fault in self._faults_of(table, day):
            if isinstance(fault, Rename | Null):
                rows = fault.apply(rows)
        return rows

    def replaced_content(self, table: str, day: date) -> bytes | None:
        """The bytes that this batch is delivered with instead of its rows; None without such a fault."""
        found = [fault.body for fault in self._faults_of(table, day) if isinstance(fault, Content)]
        return found[-1] if found else None

    def is_absent(self, table: str, day: date) -> bool:
        """Whether the batch is not there."""
        return any(isinstance(fault, Absent) for fault in self._faults_of(table, day))

    def _faults_of(self, table: str, day: date) -> list[AnyFault]:
        return [fault for fault in self.faults if fault.table == table and fault.day == day]


def _replace(path: Path, content: bytes) -> None:
    """Write atomically: a reader sees either the old or the new content."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        file.write(content)
    os.replace(file.name, path)  # noqa: PTH105 - the temporary file has a name, not a Path
