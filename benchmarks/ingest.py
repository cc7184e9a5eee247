"""Speed of ingestion: a year in one run, one day alone, one run per day, and ten times the rows.

    python -m benchmarks.ingest [--quick]

A real feed serves 2013 over HTTP from a separate process. The flow reports to a Prefect server that is up before the
clock starts. The time includes everything else: fetching, Great Expectations, quarantine, ledger, lake, features.
`--quick` ingests two months instead of the year. One run per day is measured on a sample of days in a warm process, and
multiplied. That favours it, because its table stays small. Exits with 1 when a goal was missed. Takes five minutes, two
with `--quick`.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx

from benchmarks.result import PROJECT, Figure, Result, finish
from tasks.runtime.telemetry import OPT_OUTS

FIRST = date(2013, 1, 1)
YEAR_DAYS, QUICK_DAYS = 365, 59
TENTH = {YEAR_DAYS: 38, QUICK_DAYS: 6}  # days that hold a tenth of the rows
SAMPLE_DAYS = 8  # days that are ingested by one flow run each


class Stopwatch:
    """Seconds inside wrapped functions, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def around(self, name: str, owner: Any, *functions: str) -> None:
        for function in functions:
            setattr(owner, function, self._timed(name, getattr(owner, function)))

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds[name] += time.perf_counter() - began

        return timed


@contextmanager
def feed_of_2013(folder: Path) -> Iterator[str]:
    """The address of a feed for which the year is over."""
    command = [sys.executable, "-m", "pipelines.flights.feed", "--port", "0", "--state-dir", str(folder)]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]  # "feed listens on http://127.0.0.1:PORT"
    try:
        with httpx.Client(base_url=url, timeout=60) as client:
            client.put("/clock", json={"day": "2013-12-31"}).raise_for_status()
            client.get("/health").raise_for_status()  # answers when the year has been read
        yield url
    finally:
        process.terminate()
        process.wait(timeout=10)


def measure(part: str, days: int, home: Path) -> dict[str, Any]:
    """Run one part in a separate process: its peak memory is its own, and nothing is warm."""
    with feed_of_2013(home / "feed") as url:
        environment = {
            **os.environ,
            **OPT_OUTS,
            "AUTOPILOT_HOME": str(home),
            "AUTOPILOT_FEED_URL": url,
            "AUTOPILOT_MIRROR_URL": url,
            "AUTOPILOT_PIPELINES_DIR": str(PROJECT / "pipelines"),
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_LOGGING_LEVEL": "ERROR",
        }
        command = [sys.executable, "-m", "benchmarks.ingest", "--part", part, "--days", str(days)]
        asked = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, cwd=PROJECT)
    measured: dict[str, Any] = json.loads(asked.stdout.splitlines()[-1])
    return measured


def backfill(days: int) -> dict[str, Figure]:
    """All days in one run of the flow, in a process that has imported nothing yet."""
    from flows.ingest import ingest

    began = time.perf_counter()
    report = ingest("flights", since=FIRST, until=FIRST + timedelta(days=days - 1))
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "rows": report.feature_rows,
        "batches": report.batches,
        "quarantined": report.rows.quarantined,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def one_run_a_day(days: int) -> dict[str, Figure]:
    """Days ingested one by one in a warm process: the time of a run, and its parts."""
    import tasks.ingestion.ingest_table
    import tasks.ingestion.validate
    from flows.ingest import ingest
    from tasks.lake.lake_table import LakeTable

    ingest("flights", since=FIRST, until=FIRST)  # imports, and creates the tables
    watch = Stopwatch()
    watch.around("source", tasks.ingestion.ingest_table, "fetch_batches")
    watch.around("gx", tasks.ingestion.validate, "evaluate_suite")
    watch.around("lake", LakeTable, "plan_merge", "commit", "read", "notes")
    runs, own = [], []
    for index in range(1, days + 1):
        day = FIRST + timedelta(days=index)
        began = time.perf_counter()
        report = ingest("flights", since=day, until=day)
        runs.append(time.perf_counter() - began)
        own.append(report.seconds)
    spent = {f"{name}_seconds": total / days for name, total in watch.seconds.items()}
    rest = statistics.mean(own) - sum(spent.values())
    medians = {"run_seconds": statistics.median(runs), "own_seconds": statistics.median(own)}
    return {**medians, **spent, "rest_seconds": rest}


PARTS = {"backfill": backfill, "one_run_a_day": one_run_a_day}


def run_part(part: str, days: int) -> None:
    """Run one part in this process, with a Prefect server that is up, and without log lines."""
    import logging

    import structlog
    from prefect.testing.utilities import prefect_test_harness

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with prefect_test_harness(server_startup_timeout=120):
        measured = PARTS[part](days)
    print(json.dumps(measured))


def compare(days: int) -> Result:
    """Run every part, one after the other, and compare them."""
    with tempfile.TemporaryDirectory(prefix="autopilot-ingest-") as folder:
        tenth = measure("backfill", TENTH[days], Path(folder) / "tenth")
        year = measure("backfill", days, Path(folder) / "year")
        alone = measure("one_run_a_day", SAMPLE_DAYS, Path(folder) / "alone")
    apart_seconds = alone["run_seconds"] * days
    figures: dict[str, Figure] = {
        "backfill_days": days,
        "backfill_rows": year["rows"],
        "backfill_batches": year["batches"],
        "backfill_quarantined_rows": year["quarantined"],
        "backfill_seconds": round(year["seconds"], 1),
        "backfill_rows_per_second": round(year["rows"] / year["seconds"]),
        "backfill_peak_mib": round(year["peak_mib"]),
        "run_a_day_seconds": round(apart_seconds, 1),
        "run_a_day_sample_days": SAMPLE_DAYS,
        "run_a_day_slowdown": round(apart_seconds / year["seconds"], 1),
        "one_day_own_seconds": round(alone["own_seconds"], 3),
        "one_day_run_seconds": round(alone["run_seconds"], 3),
        **{f"one_day_{name}": round(alone[name], 3) for name in alone if name not in ("run_seconds", "own_seconds")},
        "tenfold_rows_ratio": round(year["rows"] / tenth["rows"], 2),
        "tenfold_seconds_ratio": round(year["seconds"] / tenth["seconds"], 2),
        "tenfold_memory_ratio": round(year["peak_mib"] / tenth["peak_mib"], 2),
    }
    return Result(
        name="ingest",
        figures=figures,
        goals={
            "backfill_seconds": ("<=", 60),
            "run_a_day_slowdown": (">=", 5),
            "one_day_own_seconds": ("<=", 1.5),
            "tenfold_seconds_ratio": ("<=", 10),
            "tenfold_memory_ratio": ("<=", 2),
        },
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="two months instead of the year")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--days", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        run_part(arguments.part, arguments.days)
        return 0
    result = compare(QUICK_DAYS if arguments.quick else YEAR_DAYS)
    return finish(result)


if __name__ == "__main__":
    sys.exit(main())
