"""Retraining: a candidate learns from recent days, meets its rivals on later rows, and goes on trial if it won.

Every step finds what an earlier, killed run of the same plan did, so running it again is finishing it.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import structlog
from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from flows.release import Result, release
from flows.retrain_outcome import OF_ROLLOUT, ComparisonView, RepetitionView, RetrainOutcome, RetrainResult
from healing.errors import AutopilotError, TrainingRefused
from healing.release import ModelRef
from healing.verdict import Outcome
from releases.loader import LoadedModel
from releases.signing import ensure_keys
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import Settings, load_settings
from tasks.evaluation.labels import label_source
from tasks.ledger.store import Ledger
from tasks.rollout.champion import open_champion
from tasks.runtime import crash_points as points
from tasks.runtime.events import EventName, emit
from tasks.runtime.file_locks import exclusive
from tasks.training.candidate import Workshop, compare_candidate, plan_training, publish_candidate, register_candidate
from tasks.training.comparison import Meeting
from tasks.training.mlflow_registry import RegisteredModel, Registry
from tasks.training.own_predictions import refuse_own_labels
from tasks.training.refusals import refuse_on_open_incidents, refuse_quarantined
from tasks.training.reproducibility import Repetition, train_again
from tasks.training.training import TrainingPlan

__all__ = ["RetrainOutcome", "RetrainResult", "retrain"]

log = structlog.get_logger(__name__)

_task = task(cache_policy=NO_CACHE, persist_result=False)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for; see `retrain`."""

    pipeline: str
    until: date | None
    incident_id: str | None
    estimator: str | None
    insisted: bool
    dry_run: bool
    again: bool


@flow(name="retrain", flow_run_name="retrain-{pipeline}", persist_result=False)
def retrain(
    pipeline: str,
    until: date | None = None,
    incident_id: str | None = None,
    estimator: str | None = None,
    skip_comparison: bool = False,
    dry_run: bool = False,
    again: bool = False,
) -> RetrainOutcome:
    """Train on the days before `until` (the last day with features), compare, publish, release.

    `estimator` (module:function) replaces the pipeline's own; `skip_comparison` releases the candidate whatever the
    comparison says, and the record keeps that a person insisted. `again` trains a plan a second time and reports
    whether the same model comes of it; UsageError when it was not trained before. TrainingRefused while the data are in
    doubt or too few. Without a champion the candidate only has to beat the base rate.
    """
    settings = load_settings()
    request = Request(pipeline, until, incident_id, estimator, skip_comparison, dry_run, again)
    with exclusive(settings.release_root(pipeline) / "retrain.lock"):
        try:
            outcome = _retrain(settings, request)
        except AutopilotError as exc:
            _tell(settings, pipeline, {"result": "failed", "reason": str(exc), "incident_id": incident_id})
            raise
    shown = {"comparisons", "rollout", "repetition"}
    _tell(settings, pipeline, outcome.model_dump(mode="json", exclude=shown))
    log.info("retrain_finished", pipeline=pipeline, result=outcome.result.value, version=outcome.version)
    create_markdown_artifact(key=f"retrain-{pipeline}".replace("_", "-"), markdown=outcome.in_words)
    return outcome


def _retrain(settings: Settings, request: Request) -> RetrainOutcome:
    """The story of one candidate; the caller holds the pipeline's retrain lock."""
    pipeline = request.pipeline
    workshop = _workshop(settings, pipeline)
    plan = plan_training(workshop.pipeline, workshop.labels, request.until, request.estimator)
    if request.again:
        repetition = repeat(workshop, plan)
        shown = {"result": RetrainResult.REPEATED, "repetition": RepetitionView.of(repetition)}
        return _outcome(plan, repetition.registered, request).model_copy(update=shown)
    check_data(settings, workshop, plan, request.incident_id)
    champion = open_champion(settings.release_root(pipeline), ensure_keys(settings.keys_dir).public)
    _note(settings, pipeline, "retrain.started", plan, until=plan.until.isoformat(), incident_id=request.incident_id)
    points.reached("retrain.planned", plan=plan.key)
    registered = register(workshop, plan, champion)
    points.reached("retrain.registered", version=registered.version)
    outcome = _outcome(plan, registered, request)
    if champion is not None and champion.manifest.mlflow_run_id == registered.run_id:
        # An earlier run of this plan was cut off after the promotion; the candidate need not beat itself.
        return outcome.model_copy(update={"result": RetrainResult.PROMOTED, "digest": champion.digest})
    meeting = meet_rivals(workshop, plan, registered, champion)
    _note(settings, pipeline, "retrain.compared", plan, version=registered.version, **_gains(meeting))
    points.reached("retrain.compared", version=registered.version)
    views = tuple(ComparisonView.of(compared) for compared in meeting.comparisons)
    outcome = outcome.model_copy(update={"comparisons": views, "suspicion": meeting.suspicion})
    if request.dry_run or not (meeting.won or request.insisted):
        result = RetrainResult.COMPARED if request.dry_run else RetrainResult.NOT_BETTER
        return outcome.model_copy(update={"result": result})
    model = sign_and_store(settings, workshop, plan, registered, champion)
    points.reached("retrain.published", digest=model.digest)
    reason = "; ".join(each.reason for each in meeting.comparisons if not each.segment)
    rollout = release(pipeline, model.digest, incident_id=request.incident_id, reason=reason)
    points.reached("retrain.released", generation=rollout.generation)
    if rollout.result is Result.PROMOTED:
        withdraw_verdicts(settings.ledger_dsn, pipeline, model.version)
    return outcome.model_copy(update={"result": OF_ROLLOUT[rollout.result], "digest": model.digest, "rollout": rollout})


@_task
def check_data(settings: Settings, workshop: Workshop, plan: TrainingPlan, incident_id: str | None) -> None:
    """Refuse data in doubt: under an open incident, with much of them in quarantine, labelled by the gateway itself.

    Refuse too for an incident that is over: a run that waited in the queue while its worker was dead may find that a
    later attempt has healed it.
    """
    addresses = settings.addresses()
    gateways = tuple(address for address in (addresses.gateway, addresses.operate) if address)
    refuse_own_labels(workshop.pipeline, gateways)
    with Ledger(settings.ledger_dsn) as ledger:
        if incident_id is not None and (incident := ledger.incident(incident_id)).ended:
            raise TrainingRefused(
                f"incident {incident_id} has {incident.status} meanwhile and needs no retrain; leave out "
                "incident_id to retrain all the same"
            )
        refuse_on_open_incidents(ledger.unfinished_incidents(plan.pipeline), except_id=incident_id)
        share_max = workshop.pipeline.retrain.quarantined_share_max
        refuse_quarantined(ledger.batches(plan.pipeline), plan.train_from, plan.until, share_max)


@_task
def register(workshop: Workshop, plan: TrainingPlan, champion: LoadedModel | None) -> RegisteredModel:
    """Train, log and register the candidate, or find it where an earlier run left it."""
    return register_candidate(workshop, plan, champion)


@_task
def repeat(workshop: Workshop, plan: TrainingPlan) -> Repetition:
    """Train the plan's model a second time, beside the registered one."""
    return train_again(workshop, plan)


@_task
def meet_rivals(
    workshop: Workshop, plan: TrainingPlan, registered: RegisteredModel, champion: LoadedModel | None
) -> Meeting:
    """Score the candidate, the base rate, a simple model and the champion on the same held-out rows."""
    meeting = compare_candidate(workshop, plan, registered, champion)
    if meeting.suspicion:
        log.warning("candidate_suspected", pipeline=plan.pipeline, version=registered.version, why=meeting.suspicion)
    return meeting


@_task
def sign_and_store(
    settings: Settings,
    workshop: Workshop,
    plan: TrainingPlan,
    registered: RegisteredModel,
    champion: LoadedModel | None,
) -> ModelRef:
    """Publish the candidate's registered bytes into the release root."""
    root = settings.release_root(plan.pipeline)
    model = publish_candidate(workshop, plan, registered, root, ensure_keys(settings.keys_dir), champion)
    with Ledger(settings.ledger_dsn) as ledger:
        ledger.record_entry(plan.pipeline, "model.published", model.digest, {"version": model.version})
    emit(EventName.MODEL_PUBLISHED, plan.pipeline, {"digest": model.digest, "version": model.version})
    return model


@_task
def withdraw_verdicts(ledger_dsn: str, pipeline: str, version: str) -> None:
    """The monitor's verdicts were about the champion before; until it looks again, nothing is known of this one."""
    now = datetime.now(UTC)
    with Ledger(ledger_dsn) as ledger:
        for record in ledger.latest_checks(pipeline):
            unknown = replace(record.verdict, outcome=Outcome.INCONCLUSIVE, reason=f"{version} is champion since")
            ledger.record_check(replace(record, verdict=unknown, recorded_at=now))


def _workshop(settings: Settings, pipeline: str) -> Workshop:
    config = load_pipeline(pipeline, settings.pipelines_dir)
    return Workshop(
        pipeline=config,
        labels=label_source(config, settings.lake_root(pipeline)),
        registry=Registry(settings.tracking_uri, pipeline, Path(settings.mlflow_artifacts_dir)),
    )


def _outcome(plan: TrainingPlan, registered: RegisteredModel, request: Request) -> RetrainOutcome:
    """The outcome as it stands before anything is compared or published."""
    return RetrainOutcome(
        pipeline=plan.pipeline,
        result=RetrainResult.COMPARED,
        version=registered.version,
        digest=None,
        model_sha256=registered.model_sha256,
        trained_from=plan.train_from,
        trained_until=plan.train_until,
        until=plan.until,
        insisted=request.insisted,
        incident_id=request.incident_id,
    )


def _gains(meeting: Meeting) -> dict[str, object]:
    """A line a comparison, for the timeline; of the segments those that stand in the way."""
    shown = [each for each in meeting.comparisons if not each.segment or each.blocks]
    return {f"against {each.against} {each.segment}".rstrip(): each.reason for each in shown}


def _note(settings: Settings, pipeline: str, kind: str, plan: TrainingPlan, **detail: object) -> None:
    with Ledger(settings.ledger_dsn) as ledger:
        ledger.record_entry(pipeline, kind, plan.key[:12], detail)


def _tell(settings: Settings, pipeline: str, detail: dict[str, object]) -> None:
    """On the timeline, and as the event that lets `heal` look at once."""
    with Ledger(settings.ledger_dsn) as ledger:
        ledger.record_entry(pipeline, "retrain.finished", pipeline, detail)
    emit(EventName.RETRAIN_FINISHED, pipeline, detail)
