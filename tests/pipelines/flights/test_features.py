from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from pipelines.flights.features import build_features
from pipelines.flights.feed import year
from tests.examples import examples

DAY = date(2013, 3, 10)  # New York changes to summer time
TIMES = {"flights": ("sched_dep_at", "sched_arr_at"), "weather": ("observed_at",), "outcomes": ("landed_at",)}
KNOWN_AT = {"weather": "observed_at", "outcomes": "landed_at"}


def tables_of(day: date) -> dict[str, pd.DataFrame]:
    """The day's flights and two days of context, as read from the lake."""
    tables = {}
    for name, columns in TIMES.items():
        days = [day] if name == "flights" else [day - timedelta(days=1), day]
        frame = pd.concat([year()[name].day(each).to_pandas() for each in days], ignore_index=True)
        tables[name] = frame.assign(**{each: frame[each].dt.as_unit("us").dt.tz_localize("UTC") for each in columns})
    return tables


@pytest.fixture(scope="module")
def tables():
    return tables_of(DAY)


@pytest.fixture(scope="module")
def features(tables):
    return build_features(tables).set_index("flight_id")


def test_every_prediction_is_requested_two_hours_before_departure(tables, features):
    flights = tables["flights"].set_index("flight_id").loc[features.index]
    assert len(features) == len(tables["flights"])
    assert (flights["sched_dep_at"] - features["asked_at"] == pd.Timedelta(hours=2)).all()
    assert set(features["event_day"]) == {DAY}


def test_schedule_features_use_new_york_time(features):
    flight = features.loc["2013-03-10-UA-1714-LGA"] if "2013-03-10-UA-1714-LGA" in features.index else features.iloc[0]
    local = flight["asked_at"].tz_convert("America/New_York") + pd.Timedelta(hours=2)
    assert flight["departure_minute"] == local.hour * 60 + local.minute
    assert set(features["weekday"]) == {6.0}


def test_weather_is_the_last_observation_before_the_request(tables, features):
    flight = features.iloc[-1]
    weather = tables["weather"]
    seen = weather[(weather["origin"] == flight["origin"]) & (weather["observed_at"] <= flight["asked_at"])]
    assert flight["temp"] == seen.sort_values("observed_at")["temp"].iloc[-1]


@pytest.mark.parametrize(
    ("feature", "group", "hours"),
    [
        ("origin_late_share_3h", "origin", 3),
        ("origin_late_share_24h", "origin", 24),
        ("carrier_late_share_24h", "carrier", 24),
    ],
)
def test_late_shares_count_only_flights_that_have_landed(tables, features, feature, group, hours):
    outcomes = tables["outcomes"]
    for _, flight in features.iloc[::97].iterrows():
        back = flight["asked_at"] - pd.Timedelta(hours=hours)
        landed = outcomes[(outcomes["landed_at"] <= flight["asked_at"]) & (outcomes["landed_at"] > back)]
        expected = landed[landed[group] == flight[group]]["late"].astype(float).mean()
        assert flight[feature] == pytest.approx(expected, nan_ok=True)


@examples(25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(minutes=st.integers(-600, 1380), seed=st.integers(0, 2**31))
def test_changing_data_later_than_the_request_changes_no_feature(tables, features, minutes, seed):
    """All data known after an instant are replaced by nonsense; features requested before it stay unchanged."""
    instant = pd.Timestamp(DAY, tz="America/New_York") + pd.Timedelta(minutes=minutes)
    changed = {"flights": tables["flights"].sample(frac=1, random_state=seed)}
    for name, known_at in KNOWN_AT.items():
        frame = tables[name].sample(frac=1, random_state=seed)
        later = frame[known_at] > instant
        numbers = list(frame.select_dtypes("number").columns)
        frame = frame.astype(dict.fromkeys(numbers, "float64"))
        frame.loc[later, numbers] = 1e6
        if name == "outcomes":
            frame.loc[later, "late"] = ~frame.loc[later, "late"].astype(bool)
        changed[name] = pd.concat(
            [frame, frame[later].assign(**{known_at: frame.loc[later, known_at] + pd.Timedelta(1, "h")})]
        )
    asked = features["asked_at"] <= instant
    again = build_features(changed).set_index("flight_id").loc[features.index]
    pd.testing.assert_frame_equal(again[asked], features[asked])


def test_without_context_features_are_missing_but_no_row_is(tables):
    empty = {name: frame.iloc[:0] for name, frame in tables.items() if name != "flights"}
    features = build_features({**tables, **empty})
    assert len(features) == len(tables["flights"])
    assert features["temp"].isna().all()
    assert features["origin_late_share_24h"].isna().all()
