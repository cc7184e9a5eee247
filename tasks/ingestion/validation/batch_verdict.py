"""The account of each batch of a sheet: which rows go in, which do not and why, and what is an incident."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from healing.incident import Cause, Remedy
from tasks.ingestion.sources import Batch
from tasks.ingestion.validation.batch_frame import Mask, Mended, Ran, Sheet
from tasks.ingestion.validation.batch_history import Past, fingerprint
from tasks.ingestion.validation.batch_thresholds import judge_critical, judge_gaps, judge_shares
from tasks.ingestion.validation.day_checks import Day, judge_day
from tasks.ingestion.validation.expectations import Judged
from tasks.ingestion.validation.finding import Check, Finding
from tasks.ingestion.validation.row_checks import local_days

if TYPE_CHECKING:
    import pandas as pd

_EXAMPLES_MAX = 3


@dataclass(frozen=True)
class Ruling:
    """One batch judged. `bad` maps a row's place in it to why; `rejected` is the reason when no row may go in."""

    good: "pd.DataFrame"
    bad: dict[int, str]
    repairs: tuple[Mended, ...]
    findings: tuple[Finding, ...]
    rejected: str | None
    checks: tuple[Check, ...]


@dataclass
class Part:
    """The rows of one batch in a sheet. `days` and `again` speak of all rows of the sheet."""

    sheet: Sheet
    batch: Batch
    rows: slice
    bad: Mask
    again: Mask
    days: NDArray[np.object_]

    @cached_property
    def good(self) -> "pd.DataFrame":
        return self.sheet.rows.iloc[self.rows][~self.bad[self.rows]]

    @cached_property
    def distinct(self) -> "pd.DataFrame":
        """The good rows without those that come again."""
        return self.sheet.rows.iloc[self.rows][~(self.bad | self.again)[self.rows]]

    @cached_property
    def content(self) -> int | None:
        """A fingerprint of what will be in the lake of it, where the contract asks for one."""
        table = self.sheet.rules.table
        return fingerprint(table, self.distinct) if table.distinct_days and len(self.distinct) else None

    def day(self) -> Day:
        """The batch as a whole."""
        days = self.days[self.rows]
        typed = self.sheet.rows.iloc[self.rows][days == self.batch.day]
        clock = typed[self.sheet.rules.table.event_time].dt.tz_convert(self.sheet.rules.zone)
        elsewhere = Counter(day for day in days if day is not None and day != self.batch.day)
        distinct = int((~self.again[self.rows]).sum())
        return Day(self.batch.day, len(days), distinct, clock, typed, dict(elsewhere), self.content)


def account(sheet: Sheet, judged: Sequence[Judged], again: Mask, past: Past) -> Iterator[Ruling]:
    """A ruling a batch, in their order; a batch that is let in is past to those that follow.

    `again` takes rows that come once more in their batch and may be dropped.
    """
    bad, reasons, days = sheet.bad, sheet.reasons(), local_days(sheet)
    ends = np.searchsorted(sheet.place, np.arange(len(sheet.batches)), side="right").tolist()
    for index, batch in enumerate(sheet.batches):
        rows = slice(ends[index - 1] if index else 0, ends[index])
        part = Part(sheet, batch, rows, bad, again, days)
        day = list(judge_day(sheet.rules.table, part.day(), past))
        findings = [
            *(finding for finding in day if finding.cause is Cause.STALE_DATA),
            *judge_gaps(sheet, rows),
            *judge_critical(rows, judged),
            *judge_shares(sheet, rows, bad, again),
            *(finding for finding in day if finding.cause is not Cause.STALE_DATA),
        ]
        fatal = [finding for finding in findings if finding.rejects][:1]  # the others follow from the first
        if not fatal:
            past = past.with_day(batch.day, len(part.distinct), part.content)
        yield Ruling(
            good=part.good,
            bad={row - rows.start: reasons[row] for row in range(rows.start, rows.stop) if row in reasons},
            repairs=tuple(sheet.mended[index]),
            findings=tuple(one_a_cause(fatal or [*_mended(sheet.mended[index]), *findings])),
            rejected=fatal[0].summary if fatal else None,
            checks=(*_row_checks(sheet, rows), *map(_batch_check, findings)),
        )


def one_a_cause(findings: Iterable[Finding]) -> list[Finding]:
    """The findings with those of one cause put together: a batch has one incident a cause."""
    found: dict[Cause, Finding] = {}
    for finding in findings:
        first = found.get(finding.cause)
        if first is None:
            found[finding.cause] = finding
            continue
        remedy = first.remedy if first.remedy is Remedy.QUARANTINE_BATCH else finding.remedy
        found[finding.cause] = replace(
            first,
            remedy=remedy,
            summary=f"{first.summary}; {finding.summary}",
            facts={**finding.facts, **first.facts},
            rejects=first.rejects or finding.rejects,
        )
    return list(found.values())


def _mended(mended: Sequence[Mended]) -> Iterator[Finding]:
    """One incident a cause that was ended by repairs."""
    for cause in dict.fromkeys(each.cause for each in mended if each.cause is not None):
        what = [each.what for each in mended if each.cause is cause]
        yield Finding(cause, Remedy.REPAIR_BATCH, "; ".join(what), {"repairs": what}, "repair")


def _row_checks(sheet: Sheet, rows: slice) -> Iterator[Check]:
    for ran in sheet.ran:
        places = np.flatnonzero(ran.mask[rows]).tolist() if ran.found else []
        yield Check(ran.reason, ran.severity, len(places), _examples(sheet, rows, ran, places) if places else ())


def _examples(sheet: Sheet, rows: slice, ran: Ran, places: list[int]) -> tuple[str, ...]:
    """The first values, as the source wrote them."""
    named = [name for name in ran.columns if name in sheet.text.columns]
    shown = sheet.text[named].iloc[rows].iloc[places[:_EXAMPLES_MAX]]
    return tuple(" ".join(map(str, row)) for row in shown.itertuples(index=False)) if named else ()


def _batch_check(finding: Finding) -> Check:
    return Check(finding.check, "critical" if finding.rejects else "warning", 0, (finding.summary,))
