from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow.compute as pc
import pytest

from pipelines.flights.archive import FIRST_DAY, LAST_DAY, day_start, last_complete_day
from pipelines.flights.feed import year

DAYS = [FIRST_DAY + timedelta(days=index) for index in range(365)]


def test_every_departure_of_the_year_is_on_exactly_one_day():
    flights = year()["flights"]
    assert flights.rows.num_rows == 336_776
    assert sum(flights.day(day).num_rows for day in DAYS) == 336_776
    assert flights.day(LAST_DAY + timedelta(days=1)).num_rows == 0


def test_flight_ids_are_unique_in_the_year_and_start_with_the_local_day():
    flights = year()["flights"]
    ids = flights.rows["flight_id"]
    assert pc.count_distinct(ids).as_py() == len(ids)
    day = date(2013, 7, 4)
    assert all(name.startswith("2013-07-04-") for name in flights.day(day)["flight_id"].to_pylist())


def test_the_schedule_contains_no_later_information():
    assert not {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "late"} & set(
        year()["flights"].rows.column_names
    )


@pytest.mark.parametrize("table", ["flights", "weather", "outcomes"])
@pytest.mark.parametrize("day", [date(2013, 3, 10), date(2013, 7, 4), date(2013, 11, 3)])  # both changes of clocks
def test_a_day_contains_the_rows_between_two_midnights_in_new_york(table, day):
    column = {"flights": "sched_dep_at", "weather": "observed_at", "outcomes": "landed_at"}[table]
    at = year()[table].day(day)[column].to_pylist()
    assert at
    start, end = (day_start(each).astimezone(UTC).replace(tzinfo=None) for each in (day, day + timedelta(days=1)))
    assert start <= min(at)
    assert max(at) < end


def test_scheduled_durations_follow_the_distance():
    """About 45 minutes plus one minute per eight miles. A time zone that is wrong by an hour would be an outlier."""
    flights = year()["flights"].rows
    duration = pc.subtract(flights["sched_arr_at"], flights["sched_dep_at"]).to_numpy().astype("timedelta64[s]")
    minutes, miles = duration.astype(int) / 60, flights["distance"].to_numpy()
    surprise = np.abs(minutes - np.polyval(np.polyfit(miles, minutes, 1), miles))
    assert np.quantile(surprise, 0.999) < 55


def test_a_label_is_late_if_the_delay_exceeds_15_minutes():
    outcomes = year()["outcomes"].rows
    assert outcomes.num_rows == 327_346
    late = outcomes["late"].to_numpy(zero_copy_only=False)
    assert np.array_equal(late, outcomes["arr_delay"].to_numpy() > 15)


@pytest.mark.parametrize(
    ("now", "last"),
    [
        (datetime(2013, 3, 2, 4, 59, tzinfo=UTC), date(2013, 2, 28)),
        (datetime(2013, 3, 2, 5, 0, tzinfo=UTC), date(2013, 3, 1)),
        (datetime(2012, 1, 1, tzinfo=UTC), date(2012, 12, 31)),
        (datetime(2026, 1, 1, tzinfo=UTC), date(2013, 12, 31)),
    ],
)
def test_a_day_is_complete_at_midnight_in_new_york(now, last):
    assert last_complete_day(now) == last
