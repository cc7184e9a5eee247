"""Faults of single values: missing, of another type, in another unit, swapped, broken."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from benchmarks.spoiled.fault import DataFault, FaultCase, Spoil, as_csv

DOSES = (0.001, 0.01, 0.05, 0.25, 1.0)

Change = Callable[[FaultCase, "pd.Series[Any]"], "pd.Series[Any]"]


def changed(column: str, change: Change) -> Spoil:
    """The chosen rows with `change` applied to one column."""

    def spoil(case: FaultCase) -> bytes:
        rows = case.rows()
        rows[column] = rows[column].mask(case.chosen(rows), change(case, rows[column]))
        return as_csv(rows)

    return spoil


def swapped(first: str, second: str) -> Spoil:
    """Two columns are swapped in the chosen rows."""

    def spoil(case: FaultCase) -> bytes:
        rows = case.rows()
        chosen = case.chosen(rows)
        one, other = rows[first].copy(), rows[second].copy()
        rows[first], rows[second] = one.mask(chosen, other), other.mask(chosen, one)
        return as_csv(rows)

    return spoil


def missing_by_value(column: str, by: str) -> Spoil:
    """Values are missing where another column is largest, as after a wrong filter."""

    def spoil(case: FaultCase) -> bytes:
        rows = case.rows()
        number = max(1, round(case.dose * len(rows)))
        largest = rows[by].astype("float64").nlargest(number).index
        rows.loc[largest, column] = None
        return as_csv(rows)

    return spoil


def shuffled(column: str) -> Spoil:
    """The values of one column are shuffled among the chosen rows, so that each of them exists."""

    def spoil(case: FaultCase) -> bytes:
        rows = case.rows()
        chosen = case.chosen(rows)
        shuffled = rows.loc[chosen, column].to_numpy(copy=True)
        case.random.shuffle(shuffled)
        rows.loc[chosen, column] = shuffled if len(shuffled) > 1 else rows[column].sample(1, random_state=7).to_numpy()
        return as_csv(rows)

    return spoil


def constant(value: str | None) -> Change:
    return lambda _, values: pd.Series([value] * len(values), index=values.index, dtype=object)


def times(factor: float) -> Change:
    return lambda _, values: (values.astype("float64") * factor).map("{:.12g}".format)


def outlying(low: float, high: float) -> Change:
    """Each value times its own random factor in [low, high]."""

    def change(case: FaultCase, values: "pd.Series[Any]") -> "pd.Series[Any]":
        return (values.astype("float64") * case.random.uniform(low, high, len(values))).map("{:.6g}".format)

    return change


def epoch(_: FaultCase, values: "pd.Series[Any]") -> "pd.Series[Any]":
    return (pd.to_datetime(values, utc=True).astype("int64") // 10**9 // 1).astype(str)


def day_first(_: FaultCase, values: "pd.Series[Any]") -> "pd.Series[Any]":
    return pd.to_datetime(values, utc=True).dt.strftime("%d/%m/%Y %H:%M")


def without_zone(_: FaultCase, values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Local time of New York, without its zone."""
    return pd.to_datetime(values, utc=True).dt.tz_convert("America/New_York").dt.strftime("%Y-%m-%dT%H:%M:%S")


def with_separators(_: FaultCase, values: "pd.Series[Any]") -> "pd.Series[Any]":
    return values.astype("float64").map("{:,.1f}".format)


def broken(_: FaultCase, values: "pd.Series[Any]") -> "pd.Series[Any]":
    return values.str.slice(0, 1) + "\N{REPLACEMENT CHARACTER}"


VALUES = (
    DataFault("missing at random: dest", changed("dest", constant(None)), doses=DOSES),
    DataFault("missing at random: distance", changed("distance", constant(None)), doses=DOSES),
    DataFault("missing by value: dest of the longest flights", missing_by_value("dest", "distance"), doses=DOSES),
    DataFault("missing at random: temp (optional)", changed("temp", constant(None)), "weather", DOSES),
    DataFault("type changed: distance in words", changed("distance", constant("far")), doses=DOSES),
    DataFault("type changed: distance 1,400.0", changed("distance", with_separators), doses=DOSES),
    DataFault("type changed: times in seconds since 1970", changed("sched_arr_at", epoch), doses=DOSES),
    DataFault("type changed: times as 31/12/2013 09:30", changed("sched_arr_at", day_first), doses=DOSES),
    DataFault("time zone lost: sched_arr_at", changed("sched_arr_at", without_zone), doses=DOSES),
    DataFault("time zone lost: sched_dep_at", changed("sched_dep_at", without_zone), doses=DOSES),
    DataFault("unseen category: dest ZZZ", changed("dest", constant("ZZZ")), doses=DOSES),
    DataFault("unseen category: carrier ZZ", changed("carrier", constant("ZZ")), doses=DOSES),
    DataFault(
        "valid category of another region: dest FCA",
        changed("dest", constant("FCA")),
        doses=DOSES,
        seed_name="category that there is, and not here: dest FCA",
    ),
    DataFault("unit x 1000: distance", changed("distance", times(1000)), doses=DOSES),
    DataFault("unit x 60: distance", changed("distance", times(60)), doses=DOSES),
    DataFault("unit x 1.609 (kilometres): distance", changed("distance", times(1.609344)), doses=DOSES),
    DataFault("unit x 60 (seconds): arr_delay", changed("arr_delay", times(60)), "outcomes", DOSES),
    DataFault("unit x 1000: arr_delay", changed("arr_delay", times(1000)), "outcomes", DOSES),
    DataFault("outliers: distance x 10 to x 100", changed("distance", outlying(10, 100)), doses=DOSES),
    DataFault("outliers: distance x 1.1 to x 3", changed("distance", outlying(1.1, 3)), doses=DOSES),
    DataFault("outliers: wind_speed x 10 to x 100", changed("wind_speed", outlying(10, 100)), "weather", DOSES),
    DataFault("outliers: temp x 1.2 to x 1.5", changed("temp", outlying(1.2, 1.5)), "weather", DOSES),
    DataFault("swapped columns: origin, dest", swapped("origin", "dest"), doses=DOSES),
    DataFault("swapped columns: flight, distance", swapped("flight", "distance"), doses=DOSES),
    DataFault("swapped columns: departure, arrival", swapped("sched_dep_at", "sched_arr_at"), doses=DOSES),
    DataFault("swapped columns: temp, dewp", swapped("temp", "dewp"), "weather", DOSES),
    DataFault("swapped columns: humid, dewp", swapped("humid", "dewp"), "weather", DOSES),
    DataFault(
        "values shuffled among rows: distance",
        shuffled("distance"),
        doses=DOSES,
        seed_name="values dealt out among rows: distance",
    ),
    DataFault(
        "values shuffled among rows: arr_delay",
        shuffled("arr_delay"),
        "outcomes",
        DOSES,
        seed_name="values dealt out among rows: arr_delay",
    ),
    DataFault("broken characters: carrier", changed("carrier", broken), doses=DOSES),
)
