"""Drift reported on weeks without drift (false alarms) and on weeks with drift of known size (power).

One week in the middle of nine weeks of flights is held out and compared with the other eight. The season changes, but
the week lies between the weeks with which it is compared. Then rows are shuffled among the nine weeks, so that there is
no drift at all. Then one column of the week is corrupted, dose by dose.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from benchmarks.ingest import FIRST
from benchmarks.year.lake import LAST
from benchmarks.year.world import World
from tasks.backtest.replayed_model import PRESET_DISTANCE
from tasks.lake.columns import BATCH_DAY
from tasks.monitoring.column_drift import DriftRule, drifted_columns
from tasks.monitoring.distances import ColumnKind, columns_of, distance, missing_distance
from tasks.monitoring.monitored_model import REFERENCE_ROWS
from tasks.monitoring.reference_distances import ColumnDistance, ReferenceBlocks, measure

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Corruption = Callable[[pd.Series, np.random.Generator], pd.Series]

WEEK = 7
WEEKS = 9
WINDOWS_A_MONTH = 365.25 / 12 / WEEK

SCHEDULE = ("distance", "departure_minute", "weekday", "duration_minutes")

_MEAN_DOSES = (0.1, 0.25, 0.5, 1.0)  # standard deviations of the window
_SCALE_DOSES = (1.25, 1.5, 2.0)  # times the spread about the mean
_CATEGORY_DOSES = (0.05, 0.1, 0.2, 0.4)  # share of the rows that change to the most frequent category
_MISSING_DOSES = (0.02, 0.05, 0.1, 0.25)  # share of the rows that lose their value


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One week, and the eight weeks around it with which it is compared."""

    window: "pd.DataFrame"
    reference: "pd.DataFrame"


@dataclass(slots=True)
class ReportedDrift:
    """The number of windows, and for how many of them each method reports drift."""

    windows: int = 0
    ours: int = 0
    preset_column: int = 0  # any column at 0.1 or more
    preset_dataset: int = 0  # half of the columns

    def add(self, columns: tuple[ColumnDistance, ...], rule: DriftRule) -> None:
        values = [column.distance for column in columns if not column.missing]
        drifted = sum(value >= PRESET_DISTANCE for value in values)
        self.windows += 1
        self.ours += bool(drifted_columns(columns, rule))
        self.preset_column += drifted > 0
        self.preset_dataset += 2 * drifted >= len(values)

    def figures(self, world: str) -> dict[str, float]:
        shares = {"ours": self.ours, "preset_column": self.preset_column, "preset_dataset": self.preset_dataset}
        return {f"{world}_windows": self.windows} | {
            f"{world}_alarms_a_month_{name}": round(count / self.windows * WINDOWS_A_MONTH, 3)
            for name, count in shares.items()
        }


@dataclass(slots=True)
class Power:
    """How often the corrupted column was found, by kind of drift and dose; dose 0 is the original column."""

    windows: Counter[str] = field(default_factory=Counter)
    ours: Counter[str] = field(default_factory=Counter)
    preset: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, *, ours: bool, preset: bool) -> None:
        self.windows[name] += 1
        self.ours[name] += ours
        self.preset[name] += preset

    def figures(self, of: str) -> dict[str, float]:
        found = getattr(self, of)
        return {f"power_{name}_share": round(found[name] / count, 3) for name, count in sorted(self.windows.items())}


def held_out_weeks(world: World, step_days: int) -> Iterator[HeldOut]:
    """Every week in the middle of nine weeks, `step_days` apart through the year."""
    start = FIRST
    while start + timedelta(days=WEEKS * WEEK - 1) <= LAST:
        rows = world.rows(start, start + timedelta(days=WEEKS * WEEK - 1))
        for number in range(1, WEEKS - 1):
            since = start + timedelta(days=number * WEEK)
            yield _split(rows, since)
        start += timedelta(days=step_days)


def shuffled_weeks(world: World, seeds: int) -> Iterator[HeldOut]:
    """A week in the middle of nine, after their rows were shuffled among the days: real columns without drift."""
    import numpy as np

    for seed in range(seeds):
        generator = np.random.default_rng(seed)
        start = FIRST + timedelta(days=int(generator.integers(0, 365 - WEEKS * WEEK)))
        rows = world.rows(start, start + timedelta(days=WEEKS * WEEK - 1))
        shuffled = rows.assign(**{BATCH_DAY: generator.permutation(rows[BATCH_DAY].to_numpy())})
        yield _split(shuffled, start + timedelta(days=int(generator.integers(1, WEEKS - 1)) * WEEK))


def count_reported(world: World, weeks: Iterator[HeldOut], rows: int | None = None) -> ReportedDrift:
    """Reported drift on these weeks, each sampled down to `rows`."""
    reported, rule = ReportedDrift(), DriftRule(rows_min=1)
    for number, week in enumerate(weeks):
        window = week.window if rows is None else week.window.sample(min(rows, len(week.window)), random_state=number)
        reported.add(measure(window, ReferenceBlocks.of(week.reference, world.kinds, WEEK)), rule)
    return reported


def measure_power(world: World, weeks: Iterator[HeldOut]) -> Power:
    """Each week with one numeric and one categorical column corrupted, in turn, at every dose."""
    import numpy as np

    power, rule = Power(), DriftRule(rows_min=1)
    by_kind = {kind: [name for name, each in world.kinds.items() if each == kind] for kind in ("numeric", "category")}
    for number, week in enumerate(weeks):
        reference = ReferenceBlocks.of(week.reference, world.kinds, WEEK)
        usual = measure(week.window, reference)
        for kind, doses in _doses().items():
            name = by_kind[kind][number % len(by_kind[kind])]
            for label, corrupt in doses.items():
                corrupted = corrupt(week.window[name], np.random.default_rng(number))
                found = _with(usual, name, corrupted, reference)
                ours = any(column.column == name for column in drifted_columns(found, rule))
                value = next(column.distance for column in found if column.name == name)
                power.add(f"{label}{_group(name, kind)}", ours=ours, preset=value >= PRESET_DISTANCE)
    return power


def _group(name: str, kind: ColumnKind) -> str:
    """Weather and lateness vary from week to week; a schedule does not."""
    if kind == "category":
        return ""
    return "_schedule" if name in SCHEDULE else "_weather"


def _split(rows: "pd.DataFrame", since: date) -> HeldOut:
    inside = (rows[BATCH_DAY] >= since) & (rows[BATCH_DAY] < since + timedelta(days=WEEK))
    rest = rows[~inside]
    return HeldOut(rows[inside], rest.sample(min(REFERENCE_ROWS, len(rest)), random_state=2013))


def _with(
    columns: tuple[ColumnDistance, ...], name: str, corrupted: "pd.Series", reference: ReferenceBlocks
) -> tuple[ColumnDistance, ...]:
    """The measured columns, with column `name` measured again."""
    now = columns_of(corrupted.to_frame(name), {name: reference.kinds[name]})[name]
    usual = reference.columns[name]
    again = {False: distance(now, usual), True: missing_distance(now, usual)}
    return tuple(
        replace(column, distance=again[column.missing]) if column.column == name else column for column in columns
    )


def _doses() -> dict[ColumnKind, dict[str, "Corruption"]]:
    numeric: dict[str, Corruption] = {"numeric_0": lambda column, _: column}
    numeric |= {f"mean_{dose}": _shifted(dose) for dose in _MEAN_DOSES}
    numeric |= {f"scale_{dose}": _scaled(dose) for dose in _SCALE_DOSES}
    numeric |= {f"missing_{dose}": _with_missing(dose) for dose in _MISSING_DOSES}
    category: dict[str, Corruption] = {"category_0": lambda column, _: column}
    category |= {f"category_{dose}": _recategorised(dose) for dose in _CATEGORY_DOSES}
    return {"numeric": numeric, "category": category}


def _shifted(dose: float) -> "Corruption":
    return lambda column, _: column + dose * column.std()


def _scaled(dose: float) -> "Corruption":
    return lambda column, _: column.mean() + dose * (column - column.mean())


def _with_missing(dose: float) -> "Corruption":
    return lambda column, generator: column.mask(generator.random(len(column)) < dose)


def _recategorised(dose: float) -> "Corruption":
    return lambda column, generator: column.mask(generator.random(len(column)) < dose, column.mode()[0])
