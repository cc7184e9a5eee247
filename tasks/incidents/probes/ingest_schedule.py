"""Whether ingestion starts when it is due, and ends: also while Prefect is away, and after a kill of the run."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from healing.diagnosis import ProblemKey, ProblemSignal
from healing.errors import OrchestratorUnavailable
from healing.incident import Cause
from releases.files import write_atomically
from tasks.incidents.probe import Probe, ProbeContext, Sighting
from tasks.ingestion.run_record import SCHEDULE, started_since, unended_start
from tasks.lake.write_locks import WriteLock
from tasks.ledger.pauses import current_pause
from tasks.runtime.file_locks import is_held
from tasks.runtime.schedules import DeploymentSchedule, read_schedule

DEPLOYMENT = "ingest/ingest"
ANSWER_SECONDS = 0.6  # of Prefect, for each of three requests
REFRESH_SECONDS = 30.0  # how often Prefect is asked for the next due times while nothing is due
START_SECONDS = 2.0  # until a due run must be on record as planned
SILENT_SECONDS = 4.0  # until Prefect must have answered; a busy one is slow for a moment
# Until a worker must have taken it up, if one asks for runs. It takes up what is due within 10 s, so it had 30 s.
LATE_SECONDS = 20.0
RECORD_SECONDS = 120.0  # until a run that was taken up is on record in the ledger; it may crash before that
SETTLE_SECONDS = 60.0  # a stack that has just started may still start what fell due while it was down
CLOCK_SECONDS = 1.0  # between the clocks of Prefect and of this process
_KEPT = 8

_SUBJECT: ProblemKey = (Cause.STALE_DATA, SCHEDULE)


@dataclass(slots=True)
class IngestSchedule(Probe):
    """Compares when ingestion was due with when a run started. Without an active schedule nothing is ever due.

    A run whose process was killed is a problem as well, whoever started it: nothing else would finish it until the next
    due time.
    Due times are wall times at which Prefect planned a run, not days of data, so a replayed data set is judged in the
    same way. They are kept in a file, and continued at their own distance when Prefect plans no more.
    """

    name = "ingest_schedule"
    every_seconds = 2.0
    needs_ledger = True
    looks_min = 2  # a run may be between two records for a moment
    _dues: tuple[datetime, ...] | None = None
    _covered: datetime | None = None  # the latest due time for which a run is known to have started
    _asked: float = float("-inf")
    _began: tuple[float, datetime] = field(default_factory=lambda: (time.monotonic(), datetime.now(UTC)))

    def watched(self, context: ProbeContext) -> frozenset[ProblemKey]:  # noqa: ARG002
        return frozenset({_SUBJECT})

    def observe(self, context: ProbeContext) -> Sighting:
        if current_pause(context.ledger, context.pipeline.name) is not None:
            return Sighting(reason="the pipeline is paused")
        killed = _killed_run(context)
        if killed is not None:
            return Sighting((ProblemSignal(*_SUBJECT, killed),))
        now = datetime.now(UTC)
        file = context.settings.home / "healer" / f"{context.pipeline.name}.ingest_due.json"
        if self._dues is None:
            self._dues = _read(file)
        is_open = not self._is_covered(context, latest_due(self._dues, now))
        is_old = time.monotonic() - self._asked >= REFRESH_SECONDS
        schedule = self._ask(context, file) if is_open or is_old else None
        due = latest_due(self._dues, now)
        if due is None:
            return Sighting(reason="no ingest is scheduled")
        if self._is_covered(context, due) or _is_taken(schedule, due):
            if (now - due).total_seconds() > RECORD_SECONDS:
                self._covered = due
            return Sighting(reason=f"the ingest that was due at {due:%H:%M:%S} UTC has started")
        return self._judge(due, now, schedule)

    def _is_covered(self, context: ProbeContext, due: datetime | None) -> bool:
        """Whether nothing is due, or a run of ingest has started since."""
        if due is not None and due != self._covered and _has_started(context, due):
            self._covered = due
        return due is None or due == self._covered

    def _judge(self, due: datetime, now: datetime, schedule: DeploymentSchedule | None) -> Sighting:
        """The sighting for a due time without a start."""
        late_seconds = (now - due).total_seconds()
        began, began_at = self._began
        if due < began_at and time.monotonic() - began < SETTLE_SECONDS:
            return Sighting(reason="the healer has just started", readable=False)
        late_seconds_max, why = _tolerated(schedule, due)
        if late_seconds <= late_seconds_max:
            return Sighting(reason=f"ingest is due since {late_seconds:.0f} s")
        message = f"ingest was due at {due:%Y-%m-%d %H:%M:%S} UTC and has not started: {why}"
        return Sighting((ProblemSignal(*_SUBJECT, message),))

    def _ask(self, context: ProbeContext, file: Path) -> DeploymentSchedule | None:
        """Prefect's view of the schedule, whose due times are kept; None if Prefect does not answer."""
        prefect = context.settings.addresses().prefect
        if prefect is None:
            return None
        self._asked = time.monotonic()
        try:
            schedule = read_schedule(prefect, DEPLOYMENT, context.pipeline.name, ANSWER_SECONDS)
        except OrchestratorUnavailable:
            return None
        planned = {run.due for run in schedule.runs if run.planned} if schedule.active else set()
        now = datetime.now(UTC)  # Prefect plans what is ahead anew when the schedule changes
        known = {due for due in self._dues or () if schedule.active and due <= now}
        kept = tuple(sorted(known | planned))[-_KEPT:]
        if kept != self._dues:
            self._dues = kept
            _write(file, kept)
        return schedule


def latest_due(dues: Sequence[datetime], now: datetime) -> datetime | None:
    """The last due time until `now`. After the last known one, runs are due at the distance of the last two."""
    past = [due for due in dues if due <= now]
    if not past:
        return None
    if len(past) < len(dues) or len(dues) < 2:
        return past[-1]
    period = dues[-1] - dues[-2]
    if period <= timedelta(0):
        return past[-1]
    return dues[-1] + (now - dues[-1]) // period * period


def _tolerated(schedule: DeploymentSchedule | None, due: datetime) -> tuple[float, str]:
    """For how long after `due` nothing may have started, and why nothing has."""
    if schedule is None:
        return SILENT_SECONDS, "Prefect does not answer"
    if not any(_is_at(run.due, due) for run in schedule.runs):
        return START_SECONDS, "no run is planned"
    if not schedule.has_worker:
        return START_SECONDS, f"no worker has asked Prefect for runs since {schedule.last_polled:%H:%M:%S} UTC"
    return LATE_SECONDS, "its run was not taken up, or has crashed"


def _killed_run(context: ProbeContext) -> str | None:
    """The message about a run that has started, has not ended and has no process; None if there is none."""
    started = unended_start(context.ledger, context.pipeline.name)
    if started is None or _runs(context) or unended_start(context.ledger, context.pipeline.name) != started:
        return None
    return f"the ingest that started at {started.at:%Y-%m-%d %H:%M:%S} UTC was killed before its end"


def _runs(context: ProbeContext) -> bool:
    """Whether a run has the lake now."""
    return is_held(context.settings.lake_dir(context.pipeline.name) / WriteLock.INGEST)


def _has_started(context: ProbeContext, due: datetime) -> bool:
    """Whether a run started since then, or has the lake now."""
    since = due - timedelta(seconds=CLOCK_SECONDS)
    return started_since(context.ledger, context.pipeline.name, since) or _runs(context)


def _is_taken(schedule: DeploymentSchedule | None, due: datetime) -> bool:
    """Whether the schedule is gone, or Prefect knows of a run for that time or a later one that was taken up."""
    if schedule is None:
        return False
    since = due - timedelta(seconds=CLOCK_SECONDS)
    return not schedule.active or any(run.taken and run.due >= since for run in schedule.runs)


def _is_at(one: datetime, other: datetime) -> bool:
    return abs((one - other).total_seconds()) <= CLOCK_SECONDS


def _read(file: Path) -> tuple[datetime, ...]:
    try:
        return tuple(datetime.fromisoformat(each) for each in json.loads(file.read_bytes())["due"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _write(file: Path, dues: Sequence[datetime]) -> None:
    """Keep the due times. A full disk only means that a later process begins without them."""
    try:
        write_atomically(file, json.dumps({"due": [due.isoformat() for due in dues]}).encode())
    except OSError:
        return


PROBES = (IngestSchedule,)
