"""The repair loop: look, diagnose, remedy, verify, escalate. Level-triggered: a lost event delays a repair, no more."""

from datetime import UTC, datetime

import structlog
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from pydantic import BaseModel, ConfigDict

from flows.treatment import Treatment
from healing.diagnosis import GatewayProblem, Signals
from healing.errors import GatewayUnavailable, OrchestratorUnavailable
from healing.evidence import Evidence
from healing.incident import Cause, Remedy, Status
from healing.policy import Policy
from healing.verdict import Verdict
from releases.log import ReleaseLog
from tasks.config.pipeline import Pipeline, load_pipeline
from tasks.config.settings import Settings, load_settings
from tasks.ledger.store import Ledger
from tasks.rollout.release_changes import abort_trial, stranded_trial
from tasks.rollout.release_events import announce_release, republish_events
from tasks.rollout.trial_history import resumable
from tasks.runtime import crash_points as points
from tasks.runtime.events import EventEvidence, EventName, emit, payload_of
from tasks.runtime.flow_runs import start_run
from tasks.serving.gateway_client import GatewayState, read_gateway

log = structlog.get_logger(__name__)

AUTHOR = "heal"


class TreatedIncident(BaseModel):
    """Where an incident stands after this run, and what this run did about it."""

    model_config = ConfigDict(frozen=True)

    id: str
    cause: Cause
    subject: str
    status: Status
    remedies: tuple[Remedy, ...]
    notes: tuple[str, ...]


class HealReport(BaseModel):
    """What one run found and did; empty when nothing was unfinished."""

    model_config = ConfigDict(frozen=True)

    pipeline: str
    incidents: tuple[TreatedIncident, ...] = ()


@flow(name="heal")
def heal(pipeline: str, event: EventEvidence | None = None) -> HealReport:
    """Bring every unfinished incident of the pipeline as far as can be done now.

    `event` only adds evidence: whatever it claims is confirmed by looking, or dismissed. Safe to run at any time, and
    twice at once: an incident has one running attempt at most, and whoever started it goes on.
    """
    settings = load_settings()
    config = load_pipeline(pipeline, settings.pipelines_dir)
    policy = Policy().overridden(config.policy)
    take_up_stranded_trial(settings, config)
    record_evidence(settings, pipeline, event)
    report = HealReport(pipeline=pipeline, incidents=treat_unfinished(settings, pipeline, policy))
    republish_events(settings, pipeline)
    return report


@task(name="take up stranded trial", cache_policy=NO_CACHE)
def take_up_stranded_trial(settings: Settings, config: Pipeline) -> None:
    """A trial whose controller died is gone on with by a new one; where it cannot be, its challenger leaves.

    For nobody would promote it, and nobody watches what it does. Prefect's silence puts this off by a minute.
    """
    root = settings.release_root(config.name)
    stranded = stranded_trial(root)
    if stranded is None or stranded.challenger is None:
        return
    resumption = resumable(root, settings.ledger_dsn, config.release, datetime.now(UTC))
    if resumption is not None and settings.dispatch == "deployment":
        parameters = {"pipeline": config.name, "digest": resumption.digest, "incident_id": resumption.incident_id}
        try:
            run = start_run("release/release", parameters, idempotency_key=f"{config.name}/{resumption.key}")
        except OrchestratorUnavailable as exc:
            log.warning("trial_not_taken_up", version=resumption.version, cause=str(exc))
            return
        log.info("trial_taken_up", version=resumption.version, run=run)
        return
    aborted = abort_trial(root, stranded.challenger.model.digest, author=AUTHOR, note="its controller is gone")
    if aborted is not None:
        points.reached("heal.trial_ended", generation=aborted.generation)
        announce_release(settings.ledger_dsn, aborted)


@task(name="record evidence", cache_policy=NO_CACHE)
def record_evidence(settings: Settings, pipeline: str, event: EventEvidence | None) -> None:
    """Put what the event claims, and what the gateway reports now, into the ledger."""
    reported = None if event is None else event.evidence(pipeline)
    seen = [*([] if reported is None else [reported]), *_gateway_evidence(settings, pipeline)]
    with Ledger(settings.ledger_dsn) as ledger:
        for evidence in seen:
            known = {incident.id for incident in ledger.unfinished_incidents(pipeline)}
            incident = ledger.record_evidence(evidence)
            if not incident.ended and incident.id not in known:
                emit(EventName.INCIDENT_OPENED, pipeline, {**payload_of(evidence), "incident_id": incident.id})


def treat_unfinished(settings: Settings, pipeline: str, policy: Policy) -> tuple[TreatedIncident, ...]:
    """Treat every unfinished incident, oldest first."""
    treated = []
    with Ledger(settings.ledger_dsn) as ledger:
        for incident in ledger.unfinished_incidents(pipeline):
            treatment = Treatment(
                settings=settings,
                ledger=ledger,
                policy=policy,
                look=lambda: read_signals(settings, pipeline, ledger),
                run_id=flow_run.get_id(),
            )
            after = treatment.treat(incident)
            treated.append(
                TreatedIncident(
                    id=after.id,
                    cause=after.cause,
                    subject=after.subject,
                    status=after.status,
                    remedies=tuple(treatment.remedies),
                    notes=tuple(treatment.notes),
                )
            )
    return tuple(treated)


def read_signals(settings: Settings, pipeline: str, ledger: Ledger) -> Signals:
    """What can be seen now: the gateway's problems, the monitor's latest checks, the release log."""
    state = _ask_gateway(settings.addresses().operate)
    problems: tuple[GatewayProblem, ...] | None = None if state is None else state.as_signals()
    checks: dict[Cause, tuple[Verdict, ...]] = {}
    for record in ledger.latest_checks(pipeline):
        checks[record.cause] = (*checks.get(record.cause, ()), record.verdict)
    history = tuple(ReleaseLog(settings.release_root(pipeline)).history())
    return Signals(problems=problems, checks=checks, history=history)


def _gateway_evidence(settings: Settings, pipeline: str) -> list[Evidence]:
    """What the gateway reports; its silence, where one should run, is evidence too."""
    operate = settings.addresses().operate
    if operate is None:
        return []
    state = _ask_gateway(operate)
    if state is None:
        summary = f"no answer from {operate}"
        return [Evidence(pipeline, Cause.GATEWAY_DOWN, "gateway", "heal", datetime.now(UTC), summary)]
    return [
        Evidence(pipeline, problem.code, problem.subject, "gateway", problem.since, problem.message)
        for problem in state.problems
    ]


def _ask_gateway(operate_url: str | None) -> GatewayState | None:
    if operate_url is None:
        return None
    try:
        return read_gateway(operate_url)
    except GatewayUnavailable as exc:
        log.warning("gateway_silent", cause=str(exc))
        return None
