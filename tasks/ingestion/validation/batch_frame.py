"""Rows of several batches in one frame: each check costs about as much for a month as for a day.

Judgements stay a batch's own: shares are counted batch by batch, and a repair that would change too much of one batch
leaves that batch alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from healing.incident import Cause
from tasks.config.contract_section import Contract, Repair
from tasks.config.table import Table
from tasks.ingestion.sources import Batch
from tasks.ingestion.validation.contract import Typed
from tasks.ingestion.validation.reference import Reference

if TYPE_CHECKING:
    import pandas as pd

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Mended:
    """One repair of one batch: what it changed, in how many rows. `cause` names the incident that it ends, if any."""

    repair: Repair
    what: str
    cause: Cause | None = None

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True)
class Ran:
    """A check that ran over all rows. `found` says whether the mask takes any; `columns` are those it looked at."""

    reason: str
    severity: str
    mask: Mask
    found: bool
    columns: tuple[str, ...]
    is_type: bool


@dataclass(frozen=True)
class Rules:
    """What the rows of a table are held against."""

    table: Table
    contract: Contract
    zone: ZoneInfo
    reference: Reference | None
    domains: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass
class Sheet:
    """Typed rows of `batches`, and what has been found and mended so far. `place` tells of each row which batch.

    `ran` holds every check that looked at them, in order.
    """

    rules: Rules
    batches: Sequence[Batch]
    place: NDArray[np.intp]
    text: "pd.DataFrame"
    typed: Typed
    mended: list[list[Mended]]
    ran: list[Ran] = field(default_factory=list)

    @property
    def rows(self) -> "pd.DataFrame":
        return self.typed.rows

    def counts(self, mask: Mask) -> NDArray[np.intp]:
        """How many rows of each batch the mask takes."""
        return np.bincount(self.place[mask], minlength=len(self.batches))

    def within(self, mask: Mask, repair: Repair) -> Mask:
        """The mask without the batches of which it takes a larger share than the repair may change."""
        sizes = np.bincount(self.place, minlength=len(self.batches))
        few = self.counts(mask) <= self.rules.contract.share_max(repair) * sizes
        return np.asarray(mask & few[self.place], dtype=bool)

    def mend(self, name: str, mask: Mask, values: "pd.Series[Any]", note: Mended) -> None:
        """Put `values` into a column where the mask takes rows, and write it down for the batches concerned."""
        if not mask.any():
            return
        column = self.rows[name].copy()
        column[mask] = values[mask].astype(column.dtype)
        self.rows[name] = column
        counts = self.counts(mask)
        for index in np.flatnonzero(counts):
            rows = int(counts[index])
            said = Mended(note.repair, f"{note.what} in {rows} row{'s' if rows > 1 else ''}", note.cause)
            self.mended[index].append(said)

    def refuse(
        self, reason: str, mask: Mask, columns: Sequence[str], severity: str = "warning", *, is_type: bool = False
    ) -> None:
        """A check that ran: rows that it keeps out, if any, and why. An `info` only remarks on them."""
        self.ran.append(Ran(reason, severity, mask, bool(mask.any()), tuple(columns), is_type))

    @property
    def bad(self) -> Mask:
        """Rows that are bad for any reason."""
        found = np.zeros(len(self.place), dtype=bool)
        for check in self.ran:
            if check.found and check.severity != "info":
                found |= check.mask
        return found

    def reasons(self) -> dict[int, str]:
        """Of every bad row why, all reasons in one text."""
        found: dict[int, str] = {}
        for check in self.ran:
            if check.found and check.severity != "info":
                for row in np.flatnonzero(check.mask).tolist():
                    found[row] = f"{found[row]}; {check.reason}" if row in found else check.reason
        return found
