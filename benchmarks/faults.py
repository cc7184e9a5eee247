"""Spoil batches in every way that we know, at every dose, and see what ingestion makes of them; writes docs/faults.md.

    python -m benchmarks.faults [--quick]

Deterministic: the same faults on the same days with the same seeds. Takes some eight minutes on two cores; `--quick`
tries one day instead of two, two doses, and sixty clean days, and leaves the page alone.
"""

import argparse
import logging
import sys
import tempfile
import zlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import structlog

from benchmarks.result import PROJECT, Comparison, Result, keep
from benchmarks.spoiled.clean import Price, price
from benchmarks.spoiled.days import DAYS
from benchmarks.spoiled.deliveries import Fault
from benchmarks.spoiled.documents import DOCUMENTS
from benchmarks.spoiled.page import Entry, page
from benchmarks.spoiled.trial import Bench
from benchmarks.spoiled.values import VALUES
from benchmarks.spoiled.world import world
from tasks.config.pipeline import load_pipeline

PAGE = PROJECT / "docs/faults.md"
SECTIONS = {"Columns and documents": DOCUMENTS, "Rows and days": DAYS, "Values": VALUES}
TRIED_ON = (date(2013, 3, 13), date(2013, 10, 26))  # a Wednesday, and a Saturday with gaps in the weather
CLEAN_DAYS, CLEAN_DAYS_QUICK = 365, 60
DOSES_QUICK = (0.01, 1.0)
GOALS: dict[str, tuple[Comparison, float]] = {
    "clean_rejected_batches": ("==", 0),
    "clean_days_with_incident_share": ("<=", 0.01),
    "detected_or_harmless_share_at_25_percent_or_more": (">=", 0.9),
}


def measure(benches: Sequence[Bench], fault: Fault, dose: float) -> Entry:
    """One fault at one dose, on each bench alone, and on the first with a mirror. The seed is the fault's own."""
    seed = zlib.crc32(f"{fault.name} {dose}".encode())
    alone = tuple(bench.run(fault, dose, seed + number, mirror=False) for number, bench in enumerate(benches))
    return Entry(fault, dose, alone, benches[0].run(fault, dose, seed, mirror=True))


def result(sections: dict[str, list[Entry]], clean: Price) -> Result:
    """The figures that goals are about."""
    entries = [entry for section in sections.values() for entry in section if not entry.fault.harmless]
    heavy = [outcome for entry in entries if entry.dose >= 0.25 for outcome in entry.alone]
    outcomes = [outcome for entry in entries for outcome in entry.alone]
    seen = [outcome.detected or not (outcome.wrong or outcome.lost) for outcome in heavy]
    return Result(
        "faults",
        {
            "faults": len({entry.fault.name for entry in entries}),
            "trials": len(outcomes),
            "detected_share": sum(outcome.detected for outcome in outcomes) / len(outcomes),
            "detected_or_harmless_share_at_25_percent_or_more": sum(seen) / len(seen),
            "rows_received": sum(outcome.received for outcome in outcomes),
            "rows_wrongly_accepted": sum(outcome.wrong for outcome in outcomes),
            "rows_wrong_with_mirror": sum(entry.mirrored.wrong for entry in entries),
            "clean_days": clean.days,
            "clean_rejected_batches": clean.rejected,
            "clean_days_with_incident": clean.days_with_incident,
            "clean_days_with_incident_share": clean.days_with_incident / clean.days,
            "clean_rows": clean.rows,
            "clean_rows_quarantined": clean.rows_quarantined,
        },
        goals=GOALS if clean.days == CLEAN_DAYS else {},
    )


def main() -> int:
    """1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one day, two doses, sixty clean days; writes no page")
    quick = parser.parse_args().quick
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    pipeline = load_pipeline("flights", PROJECT / "pipelines")
    with tempfile.TemporaryDirectory(prefix="autopilot-faults-") as folder:
        scratch = Path(folder)
        clean = price(pipeline, world(), CLEAN_DAYS_QUICK if quick else CLEAN_DAYS, scratch)
        days = TRIED_ON[:1] if quick else TRIED_ON
        benches = [Bench(pipeline, world(), day, scratch) for day in days]
        sections = {}
        for title, faults in SECTIONS.items():
            sections[title] = [
                measure(benches, fault, dose)
                for fault in faults
                for dose in (fault.doses or (1.0,))
                if not quick or dose in DOSES_QUICK
            ]
            print(f"{title}: {len(sections[title])} entries", file=sys.stderr, flush=True)
    if not quick:
        PAGE.write_text(page(sections, clean, days))
    found = result(sections, clean)
    keep(found)
    for missed in found.missed():
        print(f"missed: {missed}", file=sys.stderr)
    return 1 if found.missed() else 0


if __name__ == "__main__":
    sys.exit(main())
