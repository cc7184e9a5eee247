"""Steps that several remedies share: abort the challenger, and verify that the gateway serves a new release."""

from dataclasses import replace

from healing.incident import AttemptOutcome
from healing.slo import MITIGATED, judge_served
from releases.log import ReleaseLog
from tasks.incidents.remedy_action import AUTHOR, RemedyContext
from tasks.incidents.remedy_result import RemedyResult
from tasks.rollout.release_changes import abort_trial
from tasks.rollout.release_events import announce_release
from tasks.serving.gateway_client import await_generation, read_gateway

FOLLOW_SECONDS_MAX = 20.0  # for the gateway to serve a new release


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


def verify_release(context: RemedyContext, applied: RemedyResult) -> RemedyResult:
    """Wait until the gateway serves the release just written (or the current one) and answers its clients."""
    release = applied.release or ReleaseLog(context.settings.release_root(context.incident.pipeline)).current()
    operate = context.settings.addresses().operate
    if release is None or operate is None:
        return replace(applied, note=f"{applied.note}; no gateway is running")
    before = read_gateway(operate).served.counts()
    state = await_generation(operate, release.generation, FOLLOW_SECONDS_MAX)
    served = judge_served(state.served.counts().since(before), MITIGATED)
    outcome = AttemptOutcome.FAILED if served.failed else AttemptOutcome.SUCCEEDED
    return replace(applied, outcome=outcome, note=f"{applied.note}; generation {state.active_generation} serves")
