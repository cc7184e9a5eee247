"""Streams as tables: a key, the time of the request, a day, numeric inputs, and a label that is known on the same day.

Each stream has `DAYS` days of equally many rows, whatever its times were. `SHARED` is where the public data sets are.
"""

import itertools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.result import PROJECT
from tasks.lake.columns import ASKED_AT, BATCH_DAY

if TYPE_CHECKING:
    import pandas as pd

SHARED = Path(os.environ.get("AUTOPILOT_SHARED_DATA", PROJECT.parent / "shared" / "data"))
FIRST = date(2013, 1, 1)
DAYS, ROWS_PER_DAY = 126, 60
OUTCOME = "outcome"


@dataclass(frozen=True, slots=True)
class Stream:
    """Rows in the order of time, with their label in the column `outcome`."""

    name: str
    rows: "pd.DataFrame"
    is_class: bool = True


def data_set(name: str, label: str, *, is_class: bool = True, rows_per_day: int = ROWS_PER_DAY) -> Stream:
    """A public data set; FileNotFoundError where it is not available. Texts become the numbers of their values."""
    import pandas as pd

    table = pd.read_parquet(SHARED / f"{name}.parquet").sort_values("timestamp", kind="stable")
    table = table[table[label].notna()].drop(columns=["id", "timestamp"]).rename(columns={label: OUTCOME})
    kept = table.iloc[:: max(1, len(table) // (DAYS * rows_per_day))].reset_index(drop=True)
    texts = kept.select_dtypes(exclude="number").columns
    codes = {text: pd.factorize(kept[text], sort=True)[0] for text in texts}
    return Stream(name, _with_days(kept.assign(**codes).astype("float64")), is_class)


def sea(name: str, seed: int, variant_on: Callable[[int], int]) -> Stream:
    """SEA concepts (Street & Kim 2001) with 10 % noise; `variant_on` gives the concept of a day."""
    from river.datasets.synth import SEA

    concepts = [iter(SEA(variant=variant, seed=seed * 10 + variant, noise=0.1)) for variant in range(4)]
    return _generated(name, (next(concepts[variant_on(day)]) for day in _days()))


def hyperplane(name: str, seed: int) -> Stream:
    """A rotating hyperplane (Hulten et al. 2001): every weight changes a little with each row."""
    from river.datasets.synth import Hyperplane

    found = Hyperplane(seed=seed, n_features=6, n_drift_features=4, mag_change=0.001, noise_percentage=0.05)
    return _generated(name, itertools.islice(iter(found), DAYS * ROWS_PER_DAY))


def generators(seed: int) -> Mapping[str, Callable[[], Stream]]:
    """The generators: two abrupt changes, a gradual one, and two regimes that take turns."""
    return {
        "sea_abrupt": lambda: sea("sea_abrupt", seed, lambda day: 0 if day < 70 else 2 if day < 98 else 3),
        "hyperplane_gradual": lambda: hyperplane("hyperplane_gradual", seed),
        "sea_recurring": lambda: sea("sea_recurring", seed, lambda day: 3 if day // 28 % 2 else 2),
    }


def data_sets() -> Mapping[str, Callable[[], Stream]]:
    """The public data sets."""
    return {
        "car_loan": lambda: data_set("car_loan", "repaid"),
        "california_housing": lambda: data_set("california_housing", "clf_target"),
        "used_car_price": lambda: data_set("used_car_price", "y_true", is_class=False),
    }


def _days() -> "itertools.chain[int]":
    return itertools.chain.from_iterable(itertools.repeat(day, ROWS_PER_DAY) for day in range(DAYS))


def _generated(name: str, rows: Any) -> Stream:
    import pandas as pd

    pairs = list(rows)
    table = pd.DataFrame([{f"x{key}": value for key, value in inputs.items()} for inputs, _ in pairs])
    return Stream(name, _with_days(table.astype("float64").assign(**{OUTCOME: [float(y) for _, y in pairs]})))


def _with_days(table: "pd.DataFrame") -> "pd.DataFrame":
    """The table with key, time and day."""
    import pandas as pd

    days = [FIRST + timedelta(days=row * DAYS // len(table)) for row in range(len(table))]
    times = pd.to_datetime(pd.Series(days)).dt.tz_localize("UTC") + pd.Timedelta(hours=12)
    keys = [str(row) for row in range(len(table))]
    return table.assign(id=keys).assign(**{BATCH_DAY: days}).assign(**{ASKED_AT: times})
