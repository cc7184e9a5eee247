"""Faults of whole rows and days: duplicated, truncated, lost, late, early, of another day."""

from datetime import timedelta

import numpy as np
import pandas as pd

from benchmarks.spoiled.fault import DataFault, FaultCase, Spoil, as_csv
from benchmarks.spoiled.values import DOSES


def untouched(case: FaultCase) -> bytes:
    return case.year.content(case.table, case.day)


def duplicated(case: FaultCase) -> bytes:
    rows = case.rows()
    return as_csv(pd.concat([rows, rows[case.chosen(rows)]], ignore_index=True))


def truncated(case: FaultCase) -> bytes:
    """The end is missing, cut between two rows."""
    rows = case.rows()
    return as_csv(rows.iloc[: len(rows) - max(1, round(case.dose * len(rows)))])


def thinned(case: FaultCase) -> bytes:
    rows = case.rows()
    return as_csv(rows[~case.chosen(rows)])


def without_airport(case: FaultCase) -> bytes:
    rows = case.rows()
    return as_csv(rows[rows["origin"] != "JFK"])


def of_other_day(days: int) -> Spoil:
    """The chosen rows are replaced by rows of another day, with its keys and times."""

    def spoil(case: FaultCase) -> bytes:
        rows = case.rows()
        chosen = case.chosen(rows)
        others = case.year.rows(case.table, case.day + timedelta(days=days))
        picked = others.iloc[case.random.permutation(len(others))[: int(chosen.sum())]]
        return as_csv(pd.concat([rows[~chosen], picked], ignore_index=True))

    return spoil


def replayed(days: int) -> Spoil:
    """Another day's batch, as it is."""
    return lambda case: case.year.content(case.table, case.day - timedelta(days=days))


def redated(days: int) -> Spoil:
    """Another day's batch with this day in every key and time."""

    def spoil(case: FaultCase) -> bytes:
        old = case.day - timedelta(days=days)
        rows = case.year.rows(case.table, old)
        rows["flight_id"] = rows["flight_id"].str.replace(str(old), str(case.day))
        for column in ("sched_dep_at", "sched_arr_at"):
            moved = pd.to_datetime(rows[column], utc=True).dt.tz_convert("America/New_York").dt.tz_localize(None)
            local = (moved + timedelta(days=days)).dt.tz_localize("America/New_York", nonexistent="shift_forward")
            rows[column] = local.dt.tz_convert("UTC").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        return as_csv(rows)

    return spoil


def disordered(case: FaultCase) -> bytes:
    rows = case.rows()
    chosen = np.flatnonzero(case.chosen(rows))
    order = np.arange(len(rows))
    order[chosen] = case.random.permutation(chosen)
    return as_csv(rows.iloc[order])


def no_rows(case: FaultCase) -> bytes:
    return as_csv(case.rows().iloc[:0])


DAYS = (
    DataFault("duplicated rows", duplicated, doses=DOSES),
    DataFault("duplicated batch", untouched, again=2, harmless=True),
    DataFault("truncated batch", truncated, doses=DOSES),
    DataFault("truncated batch: outcomes", truncated, "outcomes", DOSES),
    DataFault("rows lost at random", thinned, doses=DOSES),
    DataFault("all of one airport lost", without_airport),
    DataFault("empty batch", no_rows),
    DataFault("empty batch: weather", no_rows, "weather"),
    DataFault("empty body", lambda _: b""),
    DataFault("late rows, of the day before", of_other_day(-1), doses=DOSES),
    DataFault("late batch, after the next day's", untouched, ahead=True, harmless=True),
    DataFault("rows out of order", disordered, doses=DOSES, harmless=True),
    DataFault("future-dated rows, of three days later", of_other_day(3), doses=DOSES),
    DataFault("replayed old batch", replayed(28)),
    DataFault("replayed old batch, with new keys and times", redated(7)),
    DataFault("stale batch: yesterday's again", replayed(1)),
    DataFault("stale batch: yesterday's with new keys and times", redated(1)),
)
