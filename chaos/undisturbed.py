"""The lake that an ingest without a fault makes, and how the lake of the drill differs from it.

The ingest runs in a home of its own below the drill's directory, with the mirror as its only source, from
CONTEXT_DAYS before the due day on, because features of a day depend on the days before.
"""

import json
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from chaos.lab import Lab
from chaos.source_files import PIPELINES_VARIABLE

__all__ = ["differences", "ingest_undisturbed"]

FOLDER = "undisturbed"
DAY_COLUMN = "event_day"
CONTEXT_DAYS = 3
SECONDS_MAX = 240.0
_PACKAGE_PARENT = Path(__file__).resolve().parent.parent


def ingest_undisturbed(lab: Lab, day: date) -> None:
    """Ingest `day` elsewhere; subprocess.CalledProcessError or TimeoutExpired when that fails."""
    home = lab.directory / FOLDER
    home.mkdir()
    (home / "addresses.json").write_text(json.dumps({"feed": lab.mirror, "mirror": lab.mirror}))
    days = ("--since", str(day - timedelta(days=CONTEXT_DAYS)), "--until", str(day))
    given = {name: value for name, value in os.environ.items() if not name.startswith("AUTOPILOT_")}
    environment = {**given, "PYTHONPATH": str(_PACKAGE_PARENT), PIPELINES_VARIABLE: str(lab.pipelines_dir)}
    with (home / "ingest.log").open("wb") as log:
        subprocess.run(
            [sys.executable, "-m", "cli", "ingest", lab.pipeline, "--home", str(home), *days],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            timeout=SECONDS_MAX,
            check=True,
        )


def differences(lab: Lab, day: date) -> list[str]:
    """What differs between the rows of `day` in the lake and those of the undisturbed ingest, per table.

    Empty when nothing does, and when the drill made no undisturbed ingest.
    """
    right = lab.directory / FOLDER / "lake" / lab.pipeline
    tables = sorted(path.parent.name for path in right.glob("*/_delta_log"))
    found = []
    for table in tables:
        expected, rows = _rows(right / table, day), _rows(lab.home / "lake" / lab.pipeline / table, day)
        if rows is None or expected is None or not rows.equals(expected):
            found.append(f"{table}: expected {_size(expected)} rows, found {_size(rows)} that are not the same")
    return found


def _size(rows: pa.Table | None) -> int:
    return 0 if rows is None else int(rows.num_rows)


def _rows(folder: Path, day: date) -> pa.Table | None:
    """The rows of one day in an order that depends on their values only; None without such a table."""
    if not (folder / "_delta_log").is_dir():
        return None
    rows = pa.table(DeltaTable(str(folder)).to_pyarrow_table())
    of_day = rows.filter(pc.equal(pc.field(DAY_COLUMN), pa.scalar(day)))
    columns = sorted(of_day.column_names)
    return of_day.select(columns).sort_by([(name, "ascending") for name in columns]).combine_chunks()
