"""Trains the flights model of the serving benchmarks once, and saves it in every server's own format."""

import json
import shutil
import tempfile
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.serving.broken import crashing_estimator, narrow_estimator
from benchmarks.serving.formats import save
from benchmarks.serving.world import (
    BENCH,
    CRASHING,
    CRASHING_VERSION,
    FIRST_DAY,
    KEY,
    LAST_DAY,
    NARROW,
    NARROW_VERSION,
    POISON_MILES,
    ROWS_ASKED,
    World,
    one_thread,
    world_key,
)

if TYPE_CHECKING:
    import pandas as pd

# name: (version, first day, last day). Each is the pipeline's own estimator on other days, so that answers differ.
_SPANS = {
    "champion": ("1.0.0", FIRST_DAY, LAST_DAY),
    "next": ("1.1.0", FIRST_DAY + timedelta(days=7), LAST_DAY),
    "fallback": ("0.9.0", FIRST_DAY, LAST_DAY - timedelta(days=14)),
}


def build_world() -> World:
    """The models and rows, trained on first use (half a minute) and read again afterwards."""
    folder = BENCH / f"flights-{world_key()}"
    if not (folder / "world.json").is_file():
        BENCH.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=BENCH) as workshop, one_thread():
            building = Path(workshop) / folder.name
            building.mkdir()
            _build(building)
            shutil.rmtree(folder, ignore_errors=True)
            building.rename(folder)
    document = json.loads((folder / "world.json").read_text())
    return World(**{**document, "folder": folder})


def _build(folder: Path) -> None:
    from pipelines.flights.model import CATEGORIES, NUMBERS, build_estimator

    labelled = _labelled_rows()
    columns = [*CATEGORIES, *NUMBERS]
    asked = labelled.sample(ROWS_ASKED, random_state=2013)
    estimators, versions = {}, {}
    for name, (version, first, last) in _SPANS.items():
        rows = labelled[(labelled["event_day"] >= first) & (labelled["event_day"] <= last)]
        estimators[name] = build_estimator().fit(rows[columns], rows["late"].astype("int64"))
        versions[name] = version
    estimators[CRASHING] = crashing_estimator(estimators["champion"], columns.index("distance"), POISON_MILES / 2)
    estimators[NARROW] = narrow_estimator(labelled[columns], labelled["late"].astype("int64"))
    versions |= {CRASHING: CRASHING_VERSION, NARROW: NARROW_VERSION}
    rows_asked = [
        [value if value == value else None for value in row]  # noqa: PLR0124 - NaN
        for row in asked[columns].itertuples(index=False, name=None)
    ]
    world = World(
        folder=folder,
        digests={},
        versions=versions,
        baseline=float(labelled["late"].mean()),
        columns=columns,
        text_columns=list(CATEGORIES),
        rows=rows_asked,
        keys=asked[KEY].tolist(),
    )
    for name, estimator in estimators.items():
        save(world, name, estimator)
    document = {name: value for name, value in asdict(world).items() if name != "folder"}
    (folder / "world.json").write_text(json.dumps(document))


def _labelled_rows() -> "pd.DataFrame":
    """Features and label of every flight of the span that landed, as `ingest` would have built them."""
    import pandas as pd

    from pipelines.flights.archive import read_year
    from pipelines.flights.features import build_features

    times = {"flights": ("sched_dep_at", "sched_arr_at"), "weather": ("observed_at",), "outcomes": ("landed_at",)}
    year = read_year()
    days = [FIRST_DAY + timedelta(days=n) for n in range((LAST_DAY - FIRST_DAY).days + 1)]
    tables = {}
    for name, columns in times.items():
        frame = pd.concat([year[name].day(day).to_pandas() for day in days], ignore_index=True)
        tables[name] = frame.assign(**{each: frame[each].dt.as_unit("us").dt.tz_localize("UTC") for each in columns})
    return build_features(tables).merge(tables["outcomes"][[KEY, "late"]], on=KEY)
