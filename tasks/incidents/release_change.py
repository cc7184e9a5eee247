"""Abort the challenger: a step that two remedies share."""

from healing.incident import AttemptOutcome
from tasks.incidents.remedy_action import AUTHOR, RemedyContext
from tasks.incidents.remedy_result import RemedyResult
from tasks.rollout.release_changes import abort_trial
from tasks.rollout.release_events import announce_release


def abort_challenger(context: RemedyContext) -> RemedyResult:
    """Abort the trial of the incident's model and fence it. The gateway has often aborted the trial already."""
    incident = context.incident
    root = context.settings.release_root(incident.pipeline)
    written = abort_trial(
        root, incident.subject, author=AUTHOR, incident_id=incident.id, note=context.reason, fence=True
    )
    if written is not None:
        announce_release(context.settings.ledger_dsn, written)
    note = f"challenger {incident.subject[:12]} gets no traffic"
    return RemedyResult(AttemptOutcome.SUCCEEDED, note, release=written)
