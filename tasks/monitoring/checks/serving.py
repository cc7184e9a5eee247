"""Serving over time: latency, failures and number of the requests that the gateway answered, per hour or per day.

The input is the prediction log in the lake, by wall-clock time: the data's own days do not say how fast requests were
answered.
"""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tasks.lake.lake_root import LakeRoot
from tasks.monitoring.anomaly import AnomalyRule, AnomalySeries, Side, judge_anomaly
from tasks.monitoring.check import CheckContext, monitor_check
from tasks.monitoring.diagnosis import Topic
from tasks.monitoring.monitored_model import WindowVerdict
from tasks.monitoring.windows import DayRange
from tasks.serving.gateway_client import PROBE_PREFIX
from tasks.serving.prediction_log import predictions_table

if TYPE_CHECKING:
    import pandas as pd
    from pandas.core.groupby import DataFrameGroupBy

LATENCY_CHECK = "latency"
FAILURES_CHECK = "failures"
REQUESTS_CHECK = "requests"
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_FIRST_RUNGS = ("champion", "challenger")  # all other rungs answer in place of one that failed

# In logarithms: a change of a tenth does not matter. A share's noise on the arc sine scale is 1 / sqrt(requests).
_LATENCY_RULE = AnomalyRule(spread_min=0.1, side=Side.HIGH)
_REQUESTS_RULE = AnomalyRule(spread_min=0.1)
_INTERVALS_MIN = AnomalyRule(0.0).history_min + AnomalyRule(0.0).among


@monitor_check(Topic.SERVING)
def check_serving(context: CheckContext) -> tuple[WindowVerdict, ...]:
    """Latency, failures and requests of the newest complete hours or days; nothing if there were no requests."""
    lake_root = context.settings.lake_root(context.pipeline.name)
    rules = context.pipeline.monitor
    return judge_serving(lake_root, context.now, rules.serving_days, rules.serving_requests_min)


def judge_serving(lake_root: LakeRoot, now: datetime, days: int, requests_min: int) -> tuple[WindowVerdict, ...]:
    """The verdicts on the requests of the last `days` before `now`.

    Intervals are days once there are enough of them, hours before that. Latency and failures only use intervals with
    `requests_min` requests or more.
    """
    requests = read_requests(lake_root, now, days)
    if requests.empty:
        return ()
    interval = _DAY if now - requests["at"].min() >= _DAY * _INTERVALS_MIN else _HOUR
    complete = requests[requests["at"] < _floor(now, interval)]
    window = DayRange(requests["at"].min().date(), now.date())
    failures_rule = _failures_rule(complete, interval, requests_min)
    verdicts = (
        judge_anomaly(LATENCY_CHECK, latency_series(complete, interval, requests_min), _LATENCY_RULE),
        judge_anomaly(FAILURES_CHECK, failure_series(complete, interval, requests_min), failures_rule),
        judge_anomaly(REQUESTS_CHECK, request_series(complete, interval, now), _REQUESTS_RULE),
    )
    return tuple(WindowVerdict(window, verdict) for verdict in verdicts)


def read_requests(lake_root: LakeRoot, now: datetime, days: int) -> "pd.DataFrame":
    """One row per answered request: `at`, `latency_ms` (NaN in older logs) and whether it `failed`.

    A request failed if the version that was tried first did not answer it. Probes are left out.
    """
    import pandas as pd

    table = predictions_table(lake_root)
    if table.version() is None:
        return pd.DataFrame({"at": pd.Series(dtype="datetime64[us, UTC]")})
    columns = ["at", "request_id", "row", "rung", "failed", "latency_ms"]
    known = set(table.columns())
    rows = table.read(
        since=now - timedelta(days=days), day_column="at", columns=[column for column in columns if column in known]
    ).reindex(columns=columns)
    requests = rows[(rows["row"] == 0) & ~rows["request_id"].str.startswith(PROBE_PREFIX)]
    failed = ~requests["rung"].isin(_FIRST_RUNGS) | requests["failed"].fillna("").ne("")
    return requests[["at", "latency_ms"]].assign(failed=failed).reset_index(drop=True)


def latency_series(requests: "pd.DataFrame", interval: timedelta, requests_min: int) -> AnomalySeries:
    """The logarithm of the 95th percentile, per interval with enough requests."""
    timed = requests[requests["latency_ms"].notna()]
    counts = _by_interval(timed, interval).size()
    slow = _by_interval(timed, interval)["latency_ms"].quantile(0.95)[counts >= requests_min].clip(lower=0.01)
    return _series(slow, math.log, lambda ms: f"p95 {ms:.1f} ms", int(counts.iloc[-1]) if len(counts) else 0)


def failure_series(requests: "pd.DataFrame", interval: timedelta, requests_min: int) -> AnomalySeries:
    """The share of failed requests on the arc sine scale, per interval with enough requests."""
    counts = _by_interval(requests, interval).size()
    shares = _by_interval(requests, interval)["failed"].mean()[counts >= requests_min]
    return _series(shares, _arc_sine, lambda share: f"{share:.2%} failed", int(counts.iloc[-1]) if len(counts) else 0)


def request_series(requests: "pd.DataFrame", interval: timedelta, now: datetime) -> AnomalySeries:
    """Requests per interval, also intervals without any, up to the last complete one before `now`."""
    import pandas as pd

    if requests.empty:
        return AnomalySeries((), 0, "no requests")
    counts = _by_interval(requests, interval).size()
    every = pd.date_range(counts.index[0], _floor(now, interval), freq=interval, inclusive="left")
    counts = counts.reindex(every, fill_value=0)
    return _series(counts.astype("float64"), math.log1p, lambda count: f"{count:.0f} requests", int(counts.iloc[-1]))


def _failures_rule(requests: "pd.DataFrame", interval: timedelta, requests_min: int) -> AnomalyRule:
    """One sigma is at least the sampling noise of a share in the smallest of the newest intervals."""
    counts = _by_interval(requests, interval).size()
    enough = counts[counts >= requests_min]
    fewest = int(enough.iloc[-AnomalyRule(0.0).among :].min()) if len(enough) else requests_min
    return AnomalyRule(spread_min=1 / math.sqrt(fewest), side=Side.HIGH)


def _series(
    intervals: "pd.Series[float]", scale: Callable[[float], float], show: Callable[[float], str], observations: int
) -> AnomalySeries:
    values = tuple(scale(float(value)) for value in intervals)
    if not values:
        return AnomalySeries((), observations, "no requests")
    usual = float(intervals.iloc[:-1].median()) if len(values) > 1 else float(intervals.iloc[-1])
    return AnomalySeries(values, observations, f"{show(float(intervals.iloc[-1]))}, usually {show(usual)}")


def _by_interval(requests: "pd.DataFrame", interval: timedelta) -> "DataFrameGroupBy[pd.Timestamp, Any]":
    return requests.groupby(requests["at"].dt.floor(interval))


def _floor(now: datetime, interval: timedelta) -> "pd.Timestamp":
    import pandas as pd

    return pd.Timestamp(now).floor("h" if interval == _HOUR else "D")


def _arc_sine(share: float) -> float:
    return 2 * math.asin(math.sqrt(share))
