"""Pauses and resumes a pipeline: in the ledger, which every flow reads, and in Prefect, while Prefect answers."""

import structlog

from healing.errors import OrchestratorUnavailable
from tasks.config.settings import Settings
from tasks.ledger.journal import Journal
from tasks.ledger.pauses import Pause, current_pause, record_pause, record_resumption
from tasks.runtime import crash_points
from tasks.runtime.schedules import read_schedule, set_paused

log = structlog.get_logger(__name__)

SCHEDULED = ("ingest/ingest",)  # of the flows that a pause stops, those with a schedule
ANSWER_SECONDS = 2.0


def pause_pipeline(
    settings: Settings, journal: Journal, pipeline: str, *, by: str, reason: str, incident_id: str | None = None
) -> Pause | None:
    """The pause that began; None if one lasts already.

    The ledger decides; Prefect's schedules are paused so that no runs start in vain. A pause that was cut off before
    Prefect was asked is completed.
    """
    lasting = current_pause(journal, pipeline)
    if lasting is None:
        schedules = tuple(each for each in SCHEDULED if _is_active(settings, each, pipeline))
        record_pause(journal, pipeline, by=by, reason=reason, incident_id=incident_id, schedules=schedules)
        crash_points.reached("pause_pipeline.recorded", pipeline=pipeline)
        log.warning("pipeline_paused", pipeline=pipeline, by=by, reason=reason, schedules=schedules)
    pause = current_pause(journal, pipeline)
    for schedule in () if pause is None else pause.schedules:
        _set_paused(settings, schedule, pipeline, paused=True)
    return pause if lasting is None else None


def resume_pipeline(settings: Settings, journal: Journal, pipeline: str, *, by: str) -> Pause | None:
    """The pause that is over now; None if the pipeline was not paused. Only schedules that it paused are resumed."""
    pause = current_pause(journal, pipeline)
    if pause is None:
        return None
    record_resumption(journal, pipeline, by=by)
    for schedule in pause.schedules:
        _set_paused(settings, schedule, pipeline, paused=False)
    log.info("pipeline_resumed", pipeline=pipeline, by=by)
    return pause


def _is_active(settings: Settings, deployment: str, pipeline: str) -> bool:
    """Whether Prefect has an active schedule of the deployment; False while it does not answer."""
    prefect = settings.addresses().prefect
    if prefect is None:
        return False
    try:
        return read_schedule(prefect, deployment, pipeline, ANSWER_SECONDS).active
    except OrchestratorUnavailable as exc:
        log.warning("schedule_not_read", deployment=deployment, cause=str(exc))
        return False


def _set_paused(settings: Settings, deployment: str, pipeline: str, *, paused: bool) -> None:
    """Pause or continue the deployment in Prefect, while Prefect answers."""
    prefect = settings.addresses().prefect
    if prefect is None:
        return
    try:
        set_paused(prefect, deployment, pipeline, paused=paused, timeout_seconds=ANSWER_SECONDS)
    except OrchestratorUnavailable as exc:
        log.warning("schedule_not_changed", deployment=deployment, paused=paused, cause=str(exc))
