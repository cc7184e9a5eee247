"""The repair loop: record evidence, then handle every unfinished incident. A lost event only delays a repair."""

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from pydantic import BaseModel, ConfigDict

from healing.incident import Incident
from tasks.config.pipeline import Pipeline, load_pipeline
from tasks.config.settings import Settings, load_settings
from tasks.incidents.evidence import read_signals, record_evidence
from tasks.incidents.flow_runner import DeploymentRunner, FlowRunner, InlineRunner
from tasks.incidents.incident_handler import HandledIncident, IncidentHandler
from tasks.incidents.policy import policy_of
from tasks.incidents.remedy_executor import RemedyExecutor
from tasks.incidents.stranded_trial import resume_stranded_trial
from tasks.ledger.store import Ledger
from tasks.rollout.release_events import republish_events
from tasks.runtime.events import EventEvidence

_task = task(cache_policy=NO_CACHE, persist_result=False)


class HealReport(BaseModel):
    """The incidents that one run handled; empty if nothing was unfinished."""

    model_config = ConfigDict(frozen=True)

    pipeline: str
    incidents: tuple[HandledIncident, ...] = ()


@flow(name="heal")
def heal(pipeline: str, event: EventEvidence | None = None) -> HealReport:
    """Advance every unfinished incident of the pipeline as far as possible now.

    `event` only adds evidence: its claim is confirmed by observation, or dismissed. `heal` can run at any time, also
    twice at once: an incident has at most one running attempt.
    """
    settings = load_settings()
    config = load_pipeline(pipeline, settings.pipelines_dir)
    runner = flow_runner(settings)
    resume_trial(settings, config, runner)
    add_evidence(settings, pipeline, event)
    incidents = [handle(settings, config, runner, incident) for incident in unfinished(settings, pipeline)]
    republish_events(settings, pipeline)
    return HealReport(pipeline=pipeline, incidents=tuple(incidents))


resume_trial = _task(resume_stranded_trial)
add_evidence = _task(record_evidence)


def unfinished(settings: Settings, pipeline: str) -> list[Incident]:
    """The incidents to handle, oldest first."""
    with Ledger(settings.ledger_dsn) as ledger:
        return ledger.unfinished_incidents(pipeline)


@_task
def handle(settings: Settings, config: Pipeline, runner: FlowRunner, incident: Incident) -> HandledIncident:
    """Handle one incident."""
    with Ledger(settings.ledger_dsn) as ledger:
        executor = RemedyExecutor(settings, ledger, runner, run_id=flow_run.get_id())
        handler = IncidentHandler(executor, policy_of(config), lambda: read_signals(settings, config.name, ledger))
        return handler.handle(incident)


def flow_runner(settings: Settings) -> FlowRunner:
    """How remedies start flows: as runs of deployments, or in this process."""
    if settings.dispatch == "deployment":
        return DeploymentRunner()
    return InlineRunner({"ingest/ingest": _ingest, "retrain/retrain": _retrain})


def _ingest(pipeline: str) -> None:
    from flows.ingest import ingest  # imports the lake and the checks, which takes seconds

    ingest(pipeline)


def _retrain(pipeline: str, incident_id: str) -> None:
    from flows.retrain import retrain

    retrain(pipeline, incident_id=incident_id)
