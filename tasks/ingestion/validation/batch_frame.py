"""The rows of several batches in one frame, so that a check costs about as much for a month as for a day.

Decisions stay per batch: shares are counted per batch, and a repair that would change too much of one batch leaves that
batch unchanged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from healing.incident import Cause
from tasks.config.contract_section import Repair
from tasks.config.table import Table
from tasks.ingestion.sources import Batch
from tasks.ingestion.sources.contract_form import in_contract_formats, rewritten_columns
from tasks.ingestion.sources.text import MISSING
from tasks.ingestion.validation.schema import TypedRows, cast_rows
from tasks.ingestion.validation.table_rules import TableRules

if TYPE_CHECKING:
    import pandas as pd

Mask = NDArray[np.bool_]  # one value per row


@dataclass(frozen=True, slots=True)
class AppliedRepair:
    """A repair of one batch, and what it changed. `cause` is that of the incident that it ends, if any."""

    repair: Repair
    description: str
    cause: Cause | None = None


@dataclass(frozen=True)
class RowCheck:
    """A check that ran on every row: `failed` marks the rows that fail it, `columns` are those it read."""

    reason: str
    severity: str
    failed: Mask
    any_failed: bool
    columns: tuple[str, ...]
    is_type: bool

    @property
    def makes_bad(self) -> bool:
        """Whether it fails for some row, and such rows are bad."""
        return self.any_failed and self.severity != "info"


@dataclass
class BatchFrame:
    """Rows of `batches` while they are validated: `text` as the source sent it, `typed` in the contract's types.

    `batch_index` holds, per row, the position of its batch in `batches`. `repairs` has one list per batch. `checks`
    holds every check that ran, in order.
    """

    rules: TableRules
    batches: Sequence[Batch]
    batch_index: NDArray[np.intp]
    text: "pd.DataFrame"
    typed: TypedRows
    repairs: list[list[AppliedRepair]]
    checks: list[RowCheck] = field(default_factory=list)

    @classmethod
    def of(
        cls, rules: TableRules, batches: Sequence[Batch], repairs: Sequence[Sequence[AppliedRepair]]
    ) -> "BatchFrame":
        """A frame of batches that have the columns of the contract, with the repairs made so far to each."""
        joined = pa.concat_tables([batch.text.select(list(rules.table.columns)) for batch in batches])
        joined = _without_missing_marks(rules.table, joined.replace_schema_metadata(None))
        text = in_contract_formats(rules.table, joined.to_pandas())
        for name in rewritten_columns(rules.table):
            if rules.table.columns[name] != "string":
                text[name] = text[name].mask(text[name].isin(MISSING), None)
        index = np.repeat(np.arange(len(batches)), [batch.text.num_rows for batch in batches])
        return cls(rules, batches, index, text, cast_rows(rules.table, text), [list(each) for each in repairs])

    @property
    def rows(self) -> "pd.DataFrame":
        return self.typed.rows

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Number of rows per batch."""
        return np.bincount(self.batch_index, minlength=len(self.batches))

    @cached_property
    def starts(self) -> NDArray[np.intp]:
        """Position of the first row of each batch, and the number of all rows."""
        return np.concatenate([[0], np.cumsum(self.sizes)])

    @cached_property
    def missing_per_batch(self) -> Mapping[str, NDArray[np.intp]]:
        """For each column, how many rows of each batch have no text in it."""
        return {name: self.count_per_batch(self.text[name].isna().to_numpy()) for name in self.rules.table.columns}

    def count_per_batch(self, mask: Mask) -> NDArray[np.intp]:
        """How many rows of each batch the mask selects."""
        return np.bincount(self.batch_index[mask], minlength=len(self.batches))

    def within_share(self, mask: Mask, repair: Repair) -> Mask:
        """The mask without the batches of which it selects a larger share than the repair may change."""
        few = self.count_per_batch(mask) <= self.rules.contract.share_max(repair) * self.sizes
        return np.asarray(mask & few[self.batch_index], dtype=bool)

    def repair(self, name: str, mask: Mask, values: "pd.Series[Any]", applied: AppliedRepair) -> None:
        """Write `values` into a column where the mask selects rows, and record the repair for the batches concerned."""
        if not mask.any():
            return
        column = self.rows[name].copy()
        column[mask] = values[mask].astype(column.dtype)
        self.rows[name] = column
        counts = self.count_per_batch(mask)
        for index in np.flatnonzero(counts):
            rows = int(counts[index])
            description = f"{applied.description} in {rows} row{'s' if rows > 1 else ''}"
            self.repairs[index].append(AppliedRepair(applied.repair, description, applied.cause))

    def record_check(
        self, reason: str, failed: Mask, columns: Sequence[str], severity: str = "warning", *, is_type: bool = False
    ) -> None:
        """Record a check that ran. Rows that fail it are bad, unless its severity is `info`."""
        self.checks.append(RowCheck(reason, severity, failed, bool(failed.any()), tuple(columns), is_type))

    @property
    def bad(self) -> Mask:
        """Rows that are bad for any reason."""
        found = np.zeros(len(self.batch_index), dtype=bool)
        for check in self.checks:
            if check.makes_bad:
                found |= check.failed
        return found

    def reasons(self) -> dict[int, str]:
        """For every bad row, by its position in the frame, all reasons as one text."""
        found: dict[int, str] = {}
        for check in self.checks:
            if check.makes_bad:
                for row in np.flatnonzero(check.failed).tolist():
                    found[row] = f"{found[row]}; {check.reason}" if row in found else check.reason
        return found


def _without_missing_marks(table: Table, text: pa.Table) -> pa.Table:
    """The text with NA and the like as null, where the column is no text and the contract has no format for it.

    A text column may contain "NA" or an empty text as a value.
    """
    columns = dict(zip(text.column_names, text.columns, strict=True))
    for name, kind in table.columns.items():
        if kind != "string" and name not in rewritten_columns(table):
            values = columns[name].cast(pa.string())  # a column without any value has no type
            is_mark = pc.is_in(values, value_set=pa.array(MISSING))
            columns[name] = pc.if_else(is_mark, pa.scalar(None, pa.string()), values)
    return pa.table(columns)
