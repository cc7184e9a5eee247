"""The monitor's history in the lake: every raw verdict of every window, for plots and for a later look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa

from healing.verdict import Verdict
from tasks.lake.lake_table import LakeTable
from tasks.lake.write_locks import WriteLock, write_lock
from tasks.monitoring.windows import DayRange

CHECKS = "checks"  # table of the lake
FEATURES_CHECK = "features"

_SCHEMA = pa.schema(
    [
        ("window_from", pa.date32()),
        ("window_until", pa.date32()),
        ("digest", pa.string()),
        ("version", pa.string()),
        ("check", pa.string()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("observations", pa.int64()),
        ("statistic", pa.float64()),
        ("threshold", pa.float64()),
        ("diagnosis", pa.string()),
        ("recorded_at", pa.timestamp("us", tz="UTC")),
    ]
)


def record_history(
    lake_root: Path,
    digest: str,
    version: str,
    until: date,
    verdicts: Sequence[tuple[DayRange, Verdict]],
    diagnosis: str,
    now: datetime,
) -> bool:
    """Append the verdicts on one model at the end of day `until`; whether they are new. The same day again changes
    nothing."""
    rows = [
        {
            "window_from": window.since,
            "window_until": window.until,
            "digest": digest,
            "version": version,
            "check": verdict.check,
            "outcome": verdict.outcome.value,
            "reason": verdict.reason,
            "observations": verdict.observations,
            "statistic": verdict.statistic,
            "threshold": verdict.threshold,
            "diagnosis": diagnosis,
            "recorded_at": now,
        }
        for window, verdict in verdicts
    ]
    table = LakeTable(lake_root, CHECKS, ["digest", "check", "window_until"])
    batch = f"{CHECKS}/{digest}/{until}"
    with write_lock(lake_root, WriteLock.CHECKS):
        if table.has([batch]) == [True]:
            return False
        added = pa.Table.from_pylist(rows, schema=_SCHEMA)
        table.append(added, {batch: {"rows": len(rows)}})
    return True


@dataclass(frozen=True, slots=True)
class Look:
    """What one run of the monitor found: its diagnosis, and the outcome of every check by name."""

    at: datetime
    until: date
    version: str
    diagnosis: str
    outcomes: Mapping[str, str]


def read_history(lake_root: Path, limit: int) -> list[Look]:
    """The last `limit` runs that found something new, oldest first; none before the first."""
    table = LakeTable(lake_root, CHECKS, ["digest", "check", "window_until"])
    if table.version() is None:
        return []
    columns = ["recorded_at", "window_until", "version", "diagnosis", "check", "outcome"]
    rows = table.read(day_column="window_until", columns=columns)
    looks = []
    for _, found in rows.groupby("recorded_at", sort=True):
        first = found.iloc[0]
        outcomes = dict(zip(found["check"], found["outcome"], strict=True))
        # Serving is looked at by the clock; the day that was judged is the one that the windows of the data end with.
        ends = found.loc[found["check"] == FEATURES_CHECK, "window_until"]
        until = (found["window_until"] if ends.empty else ends).max()
        looks.append(Look(first["recorded_at"].to_pydatetime(), until, first["version"], first["diagnosis"], outcomes))
    return looks[-limit:]
