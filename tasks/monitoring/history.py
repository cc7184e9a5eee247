"""The monitor's history in the lake: the verdicts of every run, as the checks returned them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa

from healing.verdict import Verdict
from tasks.lake.lake_root import LakeRoot
from tasks.lake.lake_table import LakeTable
from tasks.lake.write_locks import WriteLock, write_lock
from tasks.monitoring.monitored_model import MonitoredModel
from tasks.monitoring.windows import DayRange

CHECKS = "checks"  # table of the lake
_DATED_BY = "features"  # the check whose window ends with the day that was judged

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
    model: MonitoredModel, verdicts: Sequence[tuple[DayRange, Verdict]], diagnosis: str, now: datetime
) -> bool:
    """Append the verdicts on one model at the end of its day `until`; returns whether they are new.

    Recording the same model and day again changes nothing.
    """
    lake_root, digest = model.labels.lake_root, model.champion.digest
    rows = [
        {
            "window_from": window.since,
            "window_until": window.until,
            "digest": digest,
            "version": model.champion.manifest.version,
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
    batch = f"{CHECKS}/{digest}/{model.until}"
    with write_lock(lake_root, WriteLock.CHECKS):
        if table.has([batch]) == [True]:
            return False
        added = pa.Table.from_pylist(rows, schema=_SCHEMA)
        table.append(added, {batch: {"rows": len(rows)}})
    return True


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """One run of the monitor: its diagnosis, and the outcome of every check by name."""

    at: datetime
    until: date
    version: str
    diagnosis: str
    outcomes: Mapping[str, str]


def read_history(lake_root: LakeRoot, limit: int) -> list[RecordedRun]:
    """The last `limit` recorded runs, oldest first; none before the first."""
    table = LakeTable(lake_root, CHECKS, ["digest", "check", "window_until"])
    if table.version() is None:
        return []
    columns = ["recorded_at", "window_until", "version", "diagnosis", "check", "outcome"]
    rows = table.read(day_column="window_until", columns=columns)
    runs = []
    for _, found in rows.groupby("recorded_at", sort=True):
        first = found.iloc[0]
        outcomes = dict(zip(found["check"], found["outcome"], strict=True))
        # Serving windows end by the wall clock; the day that was judged is the last day of the data's windows.
        ends = found.loc[found["check"] == _DATED_BY, "window_until"]
        until = (found["window_until"] if ends.empty else ends).max()
        runs.append(
            RecordedRun(first["recorded_at"].to_pydatetime(), until, first["version"], first["diagnosis"], outcomes)
        )
    return runs[-limit:]
