"""The table of faults as a page of the documentation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.spoiled.clean_days import CleanDays
from benchmarks.spoiled.fault import DataFault
from benchmarks.spoiled.trial import TrialOutcome

_HEAD = """# Data faults and what ingestion does with them

Written by `python -m benchmarks.faults`; do not edit. The contract is that of
[flights](../pipelines/flights/pipeline.yaml).

Each fault is put into real batches ({days}) and ingested by the functions that the flow calls, with a real
lake, ledger and quarantine.

* *dose*: share of the batch's rows that the fault changes
* *detected*: number of days on which ledger or quarantine show the fault; a dot where the fault is harmless
* *with a mirror*: the remedy when a second source has the clean batch
* *wrong*: rows in the lake with a wrong value, over all days
* *not accepted*: good rows of the days that are not in the lake, because they were quarantined or never arrived
"""


@dataclass(frozen=True)
class FaultEntry:
    """One fault at one dose: the outcome per day with one source, and on the first day with a mirror."""

    fault: DataFault
    dose: float
    alone: tuple[TrialOutcome, ...]
    mirrored: TrialOutcome


def page(sections: Mapping[str, Sequence[FaultEntry]], clean: CleanDays, days: Sequence[object]) -> str:
    """The whole page."""
    parts = [_HEAD.format(days=", ".join(map(str, days)))]
    for title, entries in sections.items():
        parts += [f"## {title}", "", *_table(entries), ""]
    parts += ["## Undetected faults", "", *_undetected(sections), ""]
    parts += ["## Cost on clean days", "", *_clean(clean)]
    return "\n".join(parts) + "\n"


def _table(entries: Sequence[FaultEntry]) -> list[str]:
    return [
        "| fault | dose | detected | by | verdict | remedy | with a mirror | wrong | not accepted |",
        "|---|---:|---|---|---|---|---|---:|---:|",
        *(_row(entry) for entry in entries),
    ]


def _row(entry: FaultEntry) -> str:
    outcomes = entry.alone
    detected = sum(outcome.detected for outcome in outcomes)
    shown = "·" if entry.fault.harmless and not detected else f"{detected}/{len(outcomes)}"
    cells = [
        entry.fault.name,
        f"{entry.dose:.1%}".replace(".0%", "%") if entry.fault.doses else "",
        shown,
        _first(check for outcome in outcomes for check in outcome.checks),
        " / ".join(dict.fromkeys(outcome.verdict for outcome in outcomes)),
        ", ".join(dict.fromkeys(remedy for outcome in outcomes for remedy in outcome.remedies)),
        ", ".join(entry.mirrored.remedies),
        str(sum(outcome.wrong for outcome in outcomes)),
        str(sum(outcome.lost for outcome in outcomes)),
    ]
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _first(checks: Iterable[str]) -> str:
    first = next(iter(checks), "")
    return first.partition(";")[0][:90]


def _undetected(sections: Mapping[str, Sequence[FaultEntry]]) -> list[str]:
    found = [
        f"* {entry.fault.name}{f' at {entry.dose:.1%}' if entry.fault.doses else ''}: "
        f"{sum(outcome.wrong for outcome in entry.alone)} wrong rows, "
        f"{sum(outcome.lost for outcome in entry.alone)} rows missing."
        for entries in sections.values()
        for entry in entries
        if not entry.fault.harmless
        and any(not outcome.detected and (outcome.wrong or outcome.lost) for outcome in entry.alone)
    ]
    return ["On at least one of the days, neither ledger nor quarantine showed these faults:", "", *found]


def _clean(clean: CleanDays) -> list[str]:
    return [
        f"The first {clean.days} days of 2013 as they are: {clean.batches:,} batches, {clean.rows:,} rows.",
        "",
        "| | found | goal |",
        "|---|---:|---:|",
        f"| rejected batches | {clean.rejected} | 0 |",
        f"| days with an incident | {clean.days_with_incident} ({clean.days_with_incident / clean.days:.2%}) | ≤ 1 % |",
        f"| rows quarantined | {clean.rows_quarantined} | |",
        "",
        *(f"* {incident}" for incident in clean.incidents),
        *(f"* quarantined in {reason}" for reason in clean.quarantined),
    ]
