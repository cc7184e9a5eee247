"""The table of faults as a page of the documentation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.spoiled.clean import Price
from benchmarks.spoiled.deliveries import Fault
from benchmarks.spoiled.trial import Outcome

_HEAD = """# What ingestion makes of spoiled data

Written by `python -m benchmarks.faults`; do not edit. The rules are those of
[flights](../pipelines/flights/pipeline.yaml).

Each fault is put into real batches ({days}), at doses that are shares of the rows, and taken in by the
functions that the flow calls, with a real lake, ledger and quarantine. *Detected* means that somebody who looks at the
ledger or the quarantine sees that something was wrong, on how many of the days. *Wrong* are rows that came to lie in
the lake and are not what they should be; *kept out* are rows of the day that did not get in, because they were set
aside or never came. Both count rows over all the days. *With a mirror* is the remedy when a second source has the day
right. A dot means that there was nothing to find.
"""


@dataclass(frozen=True)
class Entry:
    """One fault at one dose: what came of it on each day with one source, and on the first with a mirror."""

    fault: Fault
    dose: float
    alone: tuple[Outcome, ...]
    mirrored: Outcome


def page(sections: Mapping[str, Sequence[Entry]], price: Price, days: Sequence[object]) -> str:
    """The whole page."""
    parts = [_HEAD.format(days=", ".join(map(str, days)))]
    for title, entries in sections.items():
        parts += [f"## {title}", "", *_table(entries), ""]
    parts += ["## What cannot be seen", "", *_unseen(sections), ""]
    parts += ["## The price: clean days", "", *_price(price)]
    return "\n".join(parts) + "\n"


def _table(entries: Sequence[Entry]) -> list[str]:
    return [
        "| fault | dose | detected | by | verdict | remedy | with a mirror | wrong | kept out |",
        "|---|---:|---|---|---|---|---|---:|---:|",
        *(_row(entry) for entry in entries),
    ]


def _row(entry: Entry) -> str:
    outcomes = entry.alone
    seen = sum(outcome.detected for outcome in outcomes)
    detected = "·" if entry.fault.harmless and not seen else f"{seen}/{len(outcomes)}"
    cells = [
        entry.fault.name,
        f"{entry.dose:.1%}".replace(".0%", "%") if entry.fault.doses else "",
        detected,
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


def _unseen(sections: Mapping[str, Sequence[Entry]]) -> list[str]:
    found = [
        f"* {entry.fault.name}{f' at {entry.dose:.1%}' if entry.fault.doses else ''}: "
        f"{sum(outcome.wrong for outcome in entry.alone)} wrong rows, "
        f"{sum(outcome.lost for outcome in entry.alone)} missing."
        for entries in sections.values()
        for entry in entries
        if not entry.fault.harmless
        and any(not outcome.detected and (outcome.wrong or outcome.lost) for outcome in entry.alone)
    ]
    return ["On at least one of the days nothing on record told of these:", "", *found]


def _price(price: Price) -> list[str]:
    return [
        f"The first {price.days} days of 2013 as they are: {price.batches:,} batches, {price.rows:,} rows.",
        "",
        "| | found | goal |",
        "|---|---:|---:|",
        f"| rejected batches | {price.rejected} | 0 |",
        f"| days with an incident | {price.days_with_incident} ({price.days_with_incident / price.days:.2%}) | ≤ 1 % |",
        f"| rows set aside | {price.rows_quarantined} | |",
        "",
        *(f"* {alarm}" for alarm in price.alarms),
        *(f"* set aside in {reason}" for reason in price.quarantined),
    ]
