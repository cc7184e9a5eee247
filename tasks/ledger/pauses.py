"""Pauses of pipelines: while one lasts, nothing is ingested, trained or released, and serving goes on.

The journal has both ends, so a pause outlives every process and is seen from every host that uses the ledger.
"""

from dataclasses import dataclass
from datetime import datetime

import structlog

from healing.errors import PipelinePaused, Transient
from tasks.ledger.journal import Journal
from tasks.ledger.records import JournalEntry

log = structlog.get_logger(__name__)

_PAUSED = "pipeline.paused"
_RESUMED = "pipeline.resumed"


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause that lasts: who paused the pipeline, and why. `schedules` are the deployments that it paused."""

    since: datetime
    by: str
    reason: str
    incident_id: str | None = None
    schedules: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"paused by {self.by} at {self.since:%Y-%m-%d %H:%M} UTC: {self.reason}"


def current_pause(journal: Journal, pipeline: str) -> Pause | None:
    """The current pause; None if the pipeline is not paused."""
    paused, resumed = (_latest(journal, pipeline, kind) for kind in (_PAUSED, _RESUMED))
    if paused is None or (resumed is not None and resumed.id > paused.id):
        return None
    detail = paused.detail
    incident_id, schedules = detail.get("incident_id"), detail.get("schedules")
    return Pause(
        since=paused.at,
        by=str(detail.get("by", "")),
        reason=str(detail.get("reason", "")),
        incident_id=None if incident_id is None else str(incident_id),
        schedules=tuple(map(str, schedules)) if isinstance(schedules, list) else (),
    )


def record_pause(
    journal: Journal, pipeline: str, *, by: str, reason: str, incident_id: str | None, schedules: tuple[str, ...]
) -> None:
    """Record that the pipeline is paused from now on."""
    detail = {"by": by, "reason": reason, "incident_id": incident_id, "schedules": list(schedules)}
    journal.record_entry(pipeline, _PAUSED, pipeline, detail)


def record_resumption(journal: Journal, pipeline: str, *, by: str) -> None:
    """Record that the pause is over."""
    journal.record_entry(pipeline, _RESUMED, pipeline, {"by": by})


def refuse_while_paused(ledger_dsn: str, pipeline: str) -> None:
    """Raise PipelinePaused while the pipeline is paused. A ledger that is away pauses nothing."""
    try:
        with Journal(ledger_dsn) as journal:
            pause = current_pause(journal, pipeline)
    except Transient as exc:
        log.warning("pause_unknown", pipeline=pipeline, cause=str(exc))
        return
    if pause is not None:
        raise PipelinePaused(f"{pipeline} is {pause}; end the pause with `autopilot resume {pipeline}`")


def _latest(journal: Journal, pipeline: str, kind: str) -> JournalEntry | None:
    return next(iter(journal.entries(pipeline, kind, limit=1)), None)
