"""Features of a flight, from what is known two hours before its scheduled departure.

Every feature uses only data from before `asked_at`: the schedule is published long before, the weather is the last
observation at the origin, and the late shares count flights that have landed. A test changes all data later than
`asked_at` and finds no feature changed.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ASKED_BEFORE = pd.Timedelta(hours=2)
WEATHER_AGE_MAX = pd.Timedelta(hours=6)  # an older observation does not describe the weather at `asked_at`
WEATHER = ("temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib")
_LATENESS: tuple[tuple[str, str, int], ...] = (  # feature, group, hours to look back
    ("origin_late_share_3h", "origin", 3),
    ("origin_late_share_24h", "origin", 24),
    ("carrier_late_share_24h", "carrier", 24),
)


def build_features(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return exactly one row per row of `flights`: `flight_id`, `asked_at` (UTC), `event_day` (New York), and inputs.

    `tables` holds `flights`, and `weather` and `outcomes` of at least one day before them. A feature is NaN if nothing
    was known in time.
    """
    flights = tables["flights"].sort_values("sched_dep_at", ignore_index=True)
    departure = flights["sched_dep_at"].dt.tz_convert("America/New_York")
    asked = flights[["flight_id", "origin", "carrier"]].assign(
        asked_at=(flights["sched_dep_at"] - ASKED_BEFORE).dt.as_unit("us")
    )
    features = asked[["flight_id", "asked_at"]].assign(
        event_day=departure.dt.date,
        carrier=flights["carrier"],
        origin=flights["origin"],
        dest=flights["dest"],
        distance=flights["distance"].astype("float64"),
        departure_minute=(departure.dt.hour * 60 + departure.dt.minute).astype("float64"),
        weekday=departure.dt.weekday.astype("float64"),
        duration_minutes=(flights["sched_arr_at"] - flights["sched_dep_at"]).dt.total_seconds() / 60,
    )
    known = _weather_when_asked(asked, tables["weather"])
    lateness = {
        name: _late_share(asked, tables["outcomes"], group, pd.Timedelta(hours=hours))
        for name, group, hours in _LATENESS
    }
    return pd.concat([features, known, pd.DataFrame(lateness, index=features.index)], axis=1)


def _weather_when_asked(asked: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """The last observation at the origin, one row per row of `asked`, which is sorted by `asked_at`."""
    observed = weather[["origin", "observed_at", *WEATHER]].sort_values("observed_at")
    known = pd.merge_asof(
        asked,
        observed.assign(observed_at=observed["observed_at"].dt.as_unit("us")),
        left_on="asked_at",
        right_on="observed_at",
        by="origin",
        tolerance=WEATHER_AGE_MAX,
    )
    return known[list(WEATHER)].astype("float64").set_axis(asked.index)


def _late_share(asked: pd.DataFrame, outcomes: pd.DataFrame, group: str, back: pd.Timedelta) -> NDArray[np.float64]:
    """Share of late arrivals among the flights of the same `group` that landed in (asked_at - back, asked_at]."""
    landed = outcomes.sort_values("landed_at")
    share = np.full(len(asked), np.nan)
    rows_by_group = asked.groupby(group, sort=False).indices
    landed_by_group = landed.groupby(group, sort=False).indices
    landed_at, late = _instants(landed["landed_at"]), landed["late"].to_numpy(dtype="float64")
    asked_at = _instants(asked["asked_at"])
    for name, rows in rows_by_group.items():
        earlier = landed_by_group.get(name)
        if earlier is None:
            continue
        until = np.searchsorted(landed_at[earlier], asked_at[rows], side="right")
        since = np.searchsorted(landed_at[earlier], asked_at[rows] - back.to_timedelta64(), side="right")
        late_so_far = np.concatenate([[0.0], np.cumsum(late[earlier])])
        with np.errstate(invalid="ignore"):
            share[rows] = (late_so_far[until] - late_so_far[since]) / (until - since)
    return share


def _instants(times: pd.Series) -> NDArray[np.datetime64]:
    """UTC times as NumPy microseconds, which compare fast."""
    instants: NDArray[np.datetime64] = times.dt.tz_convert(None).to_numpy(dtype="datetime64[us]")
    return instants
