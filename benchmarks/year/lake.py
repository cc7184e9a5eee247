"""The whole of 2013 in a lake, taken in by the real flow once and kept under var/bench/.

    <state>/bench/year-<key>/lake/flights/    what `autopilot ingest` leaves behind

`key` is over what makes features, so that a change of them takes the year in anew (a minute).
"""

import hashlib
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

from benchmarks.ingest import FIRST, YEAR_DAYS, measure
from benchmarks.result import PROJECT
from tasks.config.pipeline import Pipeline, load_pipeline
from tasks.config.settings import Settings

BENCH = PROJECT / "var" / "bench"
NAME = "flights"
LAST = FIRST + timedelta(days=YEAR_DAYS - 1)
_SOURCES = ("archive.py", "features.py", "expectations.json", "expectations.weather.json", "expectations.outcomes.json")


def flights() -> Pipeline:
    """The pipeline as it is configured."""
    return load_pipeline(NAME, PROJECT / "pipelines")


def year_lake() -> Path:
    """The lake's root, made on first use."""
    home = BENCH / f"year-{_key()}"
    if not home.is_dir():
        BENCH.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=BENCH) as workshop:
            measure("backfill", YEAR_DAYS, Path(workshop) / "home")
            shutil.move(Path(workshop) / "home", home)
    return Settings(home=home).lake_root(NAME)


def _key() -> str:
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update((PROJECT / "pipelines" / NAME / name).read_bytes())
    for table in flights().tables.values():
        digest.update(table.model_dump_json().encode())
    return digest.hexdigest()[:12]
