"""Serving over time: latency, failures and number of the answered requests, hour by hour or day by day.

From the prediction log in the lake, so on the wall clock: a window of days of data says nothing of how fast they were
answered.
"""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from healing.anomaly import AnomalyRule, Series, Side, judge_anomaly
from tasks.monitoring.monitored_model import Judged
from tasks.monitoring.windows import DayRange
from tasks.serving.gateway_client import PROBE_PREFIX
from tasks.serving.prediction_log import predictions_table

if TYPE_CHECKING:
    import pandas as pd
    from pandas.core.groupby import DataFrameGroupBy

LATENCY_CHECK = "latency"
FAILURES_CHECK = "failures"
REQUESTS_CHECK = "requests"
REQUESTS_MIN = 20  # of an hour or day: below, a 95th percentile is the slowest request
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_WELL = ("champion", "challenger")  # rungs; whoever else answered stood in for one that did not

# A tenth more or less, in logarithms, is not noticed. A share's spread on the arc sine scale is 1 / sqrt(requests).
_LATENCY_RULE = AnomalyRule(spread_min=0.1, side=Side.HIGH)
_REQUESTS_RULE = AnomalyRule(spread_min=0.1)


def judge_serving(lake_root: Path, now: datetime, days: int) -> tuple[Judged, ...]:
    """Latency, failures and volume of the newest whole hours or days; nothing where nobody asked in the last `days`."""
    requests = read_requests(lake_root, now, days)
    if requests.empty:
        return ()
    stretch = _DAY if now - requests["at"].min() >= _DAY * _stretches_needed() else _HOUR
    whole = requests[requests["at"] < _floor(now, stretch)]
    window = DayRange(requests["at"].min().date(), now.date())
    verdicts = (
        judge_anomaly(LATENCY_CHECK, latency_series(whole, stretch), _LATENCY_RULE),
        judge_anomaly(FAILURES_CHECK, failure_series(whole, stretch), failures_rule(whole, stretch)),
        judge_anomaly(REQUESTS_CHECK, request_series(whole, stretch, now), _REQUESTS_RULE),
    )
    return tuple(Judged(window, verdict) for verdict in verdicts)


def read_requests(lake_root: Path, now: datetime, days: int) -> "pd.DataFrame":
    """One row an answered request: `at`, `latency_ms` (NaN in older logs) and whether it `failed` before its answer."""
    import pandas as pd

    table = predictions_table(lake_root)
    if table.version() is None:
        return pd.DataFrame({"at": pd.Series(dtype="datetime64[us, UTC]")})
    columns = ["at", "request_id", "row", "rung", "failed", "latency_ms"]
    known = set(table.columns())
    rows = table.read(
        since=now - timedelta(days=days), day_column="at", columns=[column for column in columns if column in known]
    ).reindex(columns=columns)
    asked = rows[(rows["row"] == 0) & ~rows["request_id"].str.startswith(PROBE_PREFIX)]
    stood_in = ~asked["rung"].isin(_WELL) | asked["failed"].fillna("").ne("")
    return asked[["at", "latency_ms"]].assign(failed=stood_in).reset_index(drop=True)


def latency_series(requests: "pd.DataFrame", stretch: timedelta) -> Series:
    """The 95th percentile's logarithm, of stretches with requests enough."""
    timed = requests[requests["latency_ms"].notna()]
    slow = _by_stretch(timed, stretch)["latency_ms"].quantile(0.95)[_enough(timed, stretch)].clip(lower=0.01)
    counts = _by_stretch(timed, stretch).size()
    return _series(slow, math.log, lambda ms: f"p95 {ms:.1f} ms", int(counts.iloc[-1]) if len(counts) else 0)


def failure_series(requests: "pd.DataFrame", stretch: timedelta) -> Series:
    """The share of requests that did not get the answer of who was asked first, on the arc sine scale."""
    shares = _by_stretch(requests, stretch)["failed"].mean()[_enough(requests, stretch)]
    counts = _by_stretch(requests, stretch).size()
    return _series(shares, _arc_sine, lambda share: f"{share:.2%} failed", int(counts.iloc[-1]) if len(counts) else 0)


def failures_rule(requests: "pd.DataFrame", stretch: timedelta) -> AnomalyRule:
    """One sigma is at least what chance makes of a share among as few requests as the newest stretches had."""
    counts = _by_stretch(requests, stretch).size()[_enough(requests, stretch)]
    fewest = int(counts.iloc[-AnomalyRule(0.0).among :].min()) if len(counts) else REQUESTS_MIN
    return AnomalyRule(spread_min=1 / math.sqrt(fewest), side=Side.HIGH)


def request_series(requests: "pd.DataFrame", stretch: timedelta, now: datetime) -> Series:
    """Requests a stretch, those with none included, up to the last whole one before `now`."""
    import pandas as pd

    if requests.empty:
        return Series((), 0, "no requests")
    counts = _by_stretch(requests, stretch).size()
    every = pd.date_range(counts.index[0], _floor(now, stretch), freq=stretch, inclusive="left")
    counts = counts.reindex(every, fill_value=0)
    return _series(counts.astype("float64"), math.log1p, lambda count: f"{count:.0f} requests", int(counts.iloc[-1]))


def _series(
    stretches: "pd.Series[float]", scale: Callable[[float], float], say: Callable[[float], str], observations: int
) -> Series:
    values = tuple(scale(float(value)) for value in stretches)
    if not values:
        return Series((), observations, "no requests")
    usual = float(stretches.iloc[:-1].median()) if len(values) > 1 else float(stretches.iloc[-1])
    return Series(values, observations, f"{say(float(stretches.iloc[-1]))}, usually {say(usual)}")


def _by_stretch(requests: "pd.DataFrame", stretch: timedelta) -> "DataFrameGroupBy[pd.Timestamp, Any]":
    return requests.groupby(requests["at"].dt.floor(stretch))


def _enough(requests: "pd.DataFrame", stretch: timedelta) -> "pd.Series[bool]":
    enough: pd.Series[bool] = _by_stretch(requests, stretch).size() >= REQUESTS_MIN
    return enough


def _floor(now: datetime, stretch: timedelta) -> "pd.Timestamp":
    import pandas as pd

    return pd.Timestamp(now).floor("h" if stretch == _HOUR else "D")


def _stretches_needed() -> int:
    rule = AnomalyRule(0.0)
    return rule.history_min + rule.among


def _arc_sine(share: float) -> float:
    return 2 * math.asin(math.sqrt(share))
