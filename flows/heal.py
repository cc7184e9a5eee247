"""The repair loop as a flow: by hand, by event, and every few minutes as a safety net beside the resident healer."""

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, ConfigDict

from tasks.config.pipeline import Pipeline, load_pipeline
from tasks.config.settings import Settings, load_settings
from tasks.incidents.detection import record_new
from tasks.incidents.evidence import read_signals, record_evidence
from tasks.incidents.flow_runner import DeploymentRunner, FlowRunner, InlineRunner
from tasks.incidents.incident_view import Memory
from tasks.incidents.interrupted_retrain import repeat_interrupted_retrain
from tasks.incidents.policy import policy_of
from tasks.incidents.post_mortem.publishing import write_post_mortems
from tasks.incidents.probe import ProbeContext
from tasks.incidents.probing import Probing
from tasks.incidents.repair_loop import HandledIncident, RepairLoop
from tasks.incidents.step_executor import StepExecutor
from tasks.incidents.stranded_trial import resume_stranded_trial
from tasks.ledger.held_lease import HeldLease
from tasks.ledger.leases import TTL_SECONDS, healer_lease
from tasks.ledger.store import Ledger
from tasks.rollout.release_events import republish_events
from tasks.runtime.alerts import resend_kept
from tasks.runtime.events import EventEvidence
from tasks.runtime.traces import observed, observed_task

STRANDED_SECONDS = TTL_SECONDS + 1.0  # to see that the lease of a trial's controller does not move
SETTLE_SECONDS_MAX = 120.0  # then the next run, or the resident healer, goes on

_task = task(cache_policy=NO_CACHE, persist_result=False)


class HealReport(BaseModel):
    """The incidents that one run handled; empty if none was observed, or if `led_by` says who handles them."""

    model_config = ConfigDict(frozen=True)

    pipeline: str
    incidents: tuple[HandledIncident, ...] = ()
    led_by: str | None = None


@flow(name="heal")
@observed
def heal(pipeline: str, event: EventEvidence | None = None) -> HealReport:
    """Advance every observed incident of the pipeline as far as possible now.

    `event` only adds evidence: its claim is confirmed by observation, or dismissed. `heal` can run at any time, also
    twice at once and beside the resident healer: one of them leads, the others only record evidence.
    """
    settings = load_settings()
    config = load_pipeline(pipeline, settings.pipelines_dir)
    add_evidence(settings, pipeline, event)
    report = repair(settings, config, flow_runner(settings))
    republish_events(settings, pipeline)
    resend_kept(settings, config.alert_routing)
    write_post_mortems(settings, pipeline)
    return report


add_evidence = _task(observed_task(record_evidence))


@_task
@observed_task
def repair(settings: Settings, config: Pipeline, runner: FlowRunner) -> HealReport:
    """Lead the pipeline's healing until its incidents are settled, or leave it to whoever leads."""
    with HeldLease(settings.ledger_dsn, healer_lease(config.name)) as leadership:
        if not leadership.acquire():
            return HealReport(pipeline=config.name, led_by="the resident healer, or another run")
        resume_stranded_trial(settings, config, runner, seconds_max=STRANDED_SECONDS)
        repeat_interrupted_retrain(settings, config, runner)
        with Ledger(settings.ledger_dsn) as ledger:
            executor = StepExecutor(settings, ledger, runner, Memory(), leadership.token, config.alert_routing)
            probing = Probing(ProbeContext(settings, config, ledger))
            probing.look_once()
            record_new(ledger, probing.evidence())
            loop = RepairLoop(
                config.name,
                executor,
                lambda: policy_of(config, settings),
                lambda: read_signals(settings, config.name, ledger, probing.look_again()),
            )
            return HealReport(pipeline=config.name, incidents=loop.settle(SETTLE_SECONDS_MAX))


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
