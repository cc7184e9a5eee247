"""The whole of 2013 in a lake, ingested once by the real flow and kept under var/bench/.

    <state>/bench/year-<key>/lake/flights/    what `autopilot ingest` writes

`key` is a digest of everything that features are computed from, so that a change ingests the year again (a minute).
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
    """The pipeline `flights` as configured."""
    return load_pipeline(NAME, PROJECT / "pipelines")


def year_lake() -> Path:
    """The root of the lake, which is created on first use."""
    home = BENCH / f"year-{_key()}"
    if not home.is_dir():
        BENCH.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=BENCH) as building:
            measure("backfill", YEAR_DAYS, Path(building) / "home")
            shutil.move(Path(building) / "home", home)
    return Settings(home=home, lake_url=None).lake_dir(NAME)


def _key() -> str:
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update((PROJECT / "pipelines" / NAME / name).read_bytes())
    for table in flights().tables.values():
        digest.update(table.model_dump_json().encode())
    return digest.hexdigest()[:12]
