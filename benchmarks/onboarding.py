"""Time and memory of `autopilot init` and `autopilot bootstrap` on files of many shapes.

    python -m benchmarks.onboarding [--quick] [--case NAME ...] [--before CHECKOUT]

The files are generated with a fixed seed. Each command is a process of its own, as a user starts it; memory is the sum
over that process and all its descendants. With `--before`, the same commands run with the code of another checkout
first, and its figures are stored as the peer `before`. `--quick` leaves out the cases of a million rows and more;
`ten_million` and `ten_million_csv` are measured only where they are named. Exits with 1 when a goal was missed.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.result import PROJECT, Comparison, Figure, Result, finish
from tasks.runtime.telemetry import OPT_OUTS

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SEED = 14
POLL_SECONDS = 0.2
FIRST_DAY = "2024-01-01"
CHUNK_ROWS = 500_000


@dataclass(frozen=True, slots=True)
class Case:
    """One file: `rows` rows over `days` days with `columns` columns, and the goals for its commands together."""

    rows: int
    days: int
    columns: int
    seconds_max: float | None = None
    peak_gb_max: float | None = None
    first_day: str = FIRST_DAY
    suffix: str = "parquet"
    is_large: bool = False
    only_named: bool = False


CASES = {
    "one_row_a_day": Case(18_159, 18_159, 8, 30, first_day="1970-01-01", suffix="csv"),
    "many_days": Case(45_000, 944, 12, 30, first_day="2022-01-01", suffix="csv"),
    "many_columns": Case(3_000, 50, 500, suffix="csv"),
    "million": Case(1_000_000, 90, 20, 90, 1.5, is_large=True),
    "million_csv": Case(1_000_000, 90, 20, is_large=True, suffix="csv"),
    "ten_million": Case(10_000_000, 90, 20, 900, 2.0, is_large=True, only_named=True),
    "ten_million_csv": Case(10_000_000, 90, 20, is_large=True, suffix="csv", only_named=True),
}


@dataclass(frozen=True, slots=True)
class Run:
    """One command: its seconds, and the largest memory of its process tree in bytes."""

    seconds: float
    peak_bytes: int


def write_file(case: Case, path: Path) -> None:
    """Write the case's file in pieces: `id`, `at`, `label`, and inputs of which some determine the label."""
    import numpy as np
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    rng = np.random.default_rng(SEED)
    step = case.days * 86_400_000_000 / case.rows  # microseconds between two rows
    pieces = (
        _rows(case, rng, first, min(CHUNK_ROWS, case.rows - first), step) for first in range(0, case.rows, CHUNK_ROWS)
    )
    head = next(pieces)
    writer = (pq.ParquetWriter if case.suffix == "parquet" else pacsv.CSVWriter)(path, head.schema)
    with writer:
        writer.write_table(head)
        for piece in pieces:
            writer.write_table(piece)


def _rows(case: Case, rng: "np.random.Generator", first: int, count: int, step: float) -> "pa.Table":
    import numpy as np
    import pyarrow as pa

    index = np.arange(first, first + count)
    at = np.datetime64(case.first_day, "us") + (index * step).astype("timedelta64[us]")
    inputs = case.columns - 3
    texts = min(4, inputs // 4)
    names = np.array(["red", "green", "blue", "black", "white", "yellow"])
    codes = rng.integers(0, len(names), (texts, count))
    numbers = rng.normal(size=(inputs - texts, count))
    numbers[::2] = numbers[::2].round(4)  # the others have all digits of a double
    numbers[3, rng.random(count) < 0.02] = np.nan
    odds = 2 * np.sin(2 * numbers[0]) * (codes[0] > 1) - numbers[1] * numbers[2]  # not linear: trees are needed
    label = (rng.random(count) < 1 / (1 + np.exp(-odds))).astype(int)
    columns = {"id": pa.array([f"r{each}" for each in index]), "at": pa.array(at), "label": pa.array(label)}
    columns |= {f"text_{position}": pa.array(names[code]) for position, code in enumerate(codes)}
    columns |= {f"number_{position}": pa.array(values, from_pandas=True) for position, values in enumerate(numbers)}
    return pa.table(columns)


def measure(checkout: Path, folder: Path, data: Path) -> dict[str, Run]:
    """Run `init`, and the `bootstrap` that it prints as the next command, with the code of `checkout`."""
    folder.mkdir()
    columns = ["--label", "label", "--time", "at", "--key", "id"]
    init = run(["init", "mine", "--data", str(data), *columns], checkout, folder)
    printed = (folder / "log").read_text(encoding="utf-8")
    until = re.findall(r"autopilot bootstrap mine --until (\S+)", printed)[-1]
    return {"init": init, "bootstrap": run(["bootstrap", "mine", "--until", until], checkout, folder)}


def run(arguments: list[str], checkout: Path, folder: Path) -> Run:
    """Run one command of `autopilot` as its own process, and sample the memory of its tree."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "AUTOPILOT_"))}
    own = {"AUTOPILOT_HOME": str(folder / "var"), "AUTOPILOT_PIPELINES_DIR": str(folder / "pipelines")}
    environment = {**inherited, **OPT_OUTS, **own, "PYTHONPATH": str(checkout)}
    began = time.monotonic()
    with (folder / "log").open("ab") as log:
        command = [sys.executable, "-m", "cli", *arguments]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        ended, peak = threading.Event(), [0]
        watcher = threading.Thread(target=_watch_memory, args=(process.pid, ended, peak))
        watcher.start()
        code = process.wait()
        seconds = time.monotonic() - began
        ended.set()
        watcher.join()
    if code:
        raise RuntimeError(f"expected `autopilot {arguments[0]}` to end with 0, found {code}; see {folder / 'log'}")
    return Run(seconds, peak[0])


def _watch_memory(pid: int, ended: threading.Event, peak: list[int]) -> None:
    while not ended.wait(POLL_SECONDS):
        peak[0] = max(peak[0], tree_bytes(pid))


def tree_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants; pages that they share count once (PSS)."""
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return sum(map(_process_bytes, tree))


def _process_bytes(process: psutil.Process) -> int:
    try:
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
        return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
    except (OSError, StopIteration):  # another platform, or the process has ended
        try:
            return int(process.memory_info().rss)
        except psutil.Error:
            return 0


def figures_of(name: str, runs: Mapping[str, Run]) -> dict[str, Figure]:
    """Seconds per command and together, and the larger peak."""
    seconds = {f"{name}_{command}_seconds": round(each.seconds, 1) for command, each in runs.items()}
    together = {f"{name}_seconds": round(sum(each.seconds for each in runs.values()), 1)}
    peaks = {f"{name}_{command}_peak_gb": round(each.peak_bytes / 1e9, 2) for command, each in runs.items()}
    return {**seconds, **together, **peaks, f"{name}_peak_gb": max(peaks.values())}


def goals_of(names: list[str]) -> dict[str, tuple[Comparison, float]]:
    """The goals of the cases that were measured."""
    goals: dict[str, tuple[Comparison, float]] = {}
    for name in names:
        case = CASES[name]
        if case.seconds_max is not None:
            goals[f"{name}_seconds"] = ("<=", case.seconds_max)
        if case.peak_gb_max is not None:
            goals[f"{name}_peak_gb"] = ("<=", case.peak_gb_max)
    return goals


def compare(names: list[str], before: Path | None, folder: Path | None) -> Result:
    """Measure every case, with the code before (if given) and with this code. Files of one case exist at a time."""
    checkouts = {"now": PROJECT} if before is None else {"before": before, "now": PROJECT}
    found: dict[str, dict[str, Figure]] = {version: {} for version in checkouts}
    for name in names:
        with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=folder) as directory:
            data = Path(directory) / f"rows.{CASES[name].suffix}"
            write_file(CASES[name], data)
            for version, checkout in checkouts.items():
                found[version] |= figures_of(name, measure(checkout, Path(directory) / version, data))
                print({figure: value for figure, value in found[version].items() if name in figure}, file=sys.stderr)
    now = found.pop("now")
    return Result("onboarding", now, goals_of(names), found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="only the cases of less than a million rows")
    parser.add_argument("--case", action="append", choices=CASES, help="only this case; may be repeated")
    parser.add_argument("--before", type=Path, help="checkout of an earlier version, to compare with")
    parser.add_argument("--folder", type=Path, help="where the files are written, by default in the temporary folder")
    arguments = parser.parse_args()
    names = arguments.case or [
        name for name, case in CASES.items() if not case.only_named and not (arguments.quick and case.is_large)
    ]
    before = None if arguments.before is None else arguments.before.resolve()
    result = compare(names, before, arguments.folder)
    return finish(result)


if __name__ == "__main__":
    sys.exit(main())
