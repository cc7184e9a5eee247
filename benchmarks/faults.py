"""Spoil batches with every known fault at several doses, and record what ingestion does; writes docs/faults.md.

    python -m benchmarks.faults [--quick]

Deterministic: the same faults on the same days with the same seeds. Takes about eight minutes on two cores. `--quick`
tries one day instead of two, two doses, and sixty clean days, and does not write the page.
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
from benchmarks.spoiled.clean_days import CleanDays, ingest_clean_days
from benchmarks.spoiled.days import DAYS
from benchmarks.spoiled.documents import DOCUMENTS
from benchmarks.spoiled.fault import DataFault
from benchmarks.spoiled.page import FaultEntry, page
from benchmarks.spoiled.source_year import source_year
from benchmarks.spoiled.trial import FaultTrials
from benchmarks.spoiled.values import VALUES
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


def measure(trials: Sequence[FaultTrials], fault: DataFault, dose: float) -> FaultEntry:
    """One fault at one dose: on each day alone, and on the first with a mirror. Each fault has its own seed."""
    seed = zlib.crc32(f"{fault.seed_name or fault.name} {dose}".encode())
    alone = tuple(day.run(fault, dose, seed + number, mirror=False) for number, day in enumerate(trials))
    return FaultEntry(fault, dose, alone, trials[0].run(fault, dose, seed, mirror=True))


def result(sections: dict[str, list[FaultEntry]], clean: CleanDays) -> Result:
    """The figures and their goals."""
    entries = [entry for section in sections.values() for entry in section if not entry.fault.harmless]
    heavy = [outcome for entry in entries if entry.dose >= 0.25 for outcome in entry.alone]
    outcomes = [outcome for entry in entries for outcome in entry.alone]
    safe = [outcome.detected or not (outcome.wrong or outcome.lost) for outcome in heavy]
    return Result(
        "faults",
        {
            "faults": len({entry.fault.name for entry in entries}),
            "trials": len(outcomes),
            "detected_share": sum(outcome.detected for outcome in outcomes) / len(outcomes),
            "detected_or_harmless_share_at_25_percent_or_more": sum(safe) / len(safe),
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
    """Exit code 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one day, two doses, sixty clean days; writes no page")
    quick = parser.parse_args().quick
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    pipeline = load_pipeline("flights", PROJECT / "pipelines")
    with tempfile.TemporaryDirectory(prefix="autopilot-faults-") as folder:
        scratch = Path(folder)
        clean = ingest_clean_days(pipeline, source_year(), CLEAN_DAYS_QUICK if quick else CLEAN_DAYS, scratch)
        days = TRIED_ON[:1] if quick else TRIED_ON
        trials = [FaultTrials(pipeline, source_year(), day, scratch) for day in days]
        sections = {}
        for title, faults in SECTIONS.items():
            sections[title] = [
                measure(trials, fault, dose)
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
