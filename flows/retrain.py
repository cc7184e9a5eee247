"""Retraining: a candidate learns from recent days, meets the champion on later rows, and goes on trial if it won.

Every step finds what an earlier, killed run of the same plan did, so running it again is finishing it.
"""

from dataclasses import replace
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path

import structlog
from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, ConfigDict

from flows.release import ReleaseOutcome, Result, release
from healing.comparison import Compared, Comparison
from healing.errors import AutopilotError, TrainingRefused
from healing.release import ModelRef
from healing.verdict import Outcome
from releases.loader import LoadedModel
from releases.signing import ensure_keys
from tasks import points
from tasks.config.pipeline import load_pipeline
from tasks.events import EventName, emit
from tasks.ledger.ledger import Ledger
from tasks.lock import exclusive
from tasks.monitoring.labels import label_source
from tasks.releasing.champion import open_champion
from tasks.settings import Settings, load_settings
from tasks.training.candidate import Workshop, compare_candidate, plan_training, publish_candidate, register_candidate
from tasks.training.registry import RegisteredModel, Registry
from tasks.training.training import TrainingPlan, refuse_on_open_incidents

log = structlog.get_logger(__name__)

_task = task(cache_policy=NO_CACHE, persist_result=False)


class RetrainResult(StrEnum):
    """How a retrain ended."""

    BOOTSTRAPPED = "bootstrapped"
    PROMOTED = "promoted"
    ABORTED = "aborted"  # its canary found harm
    INCONCLUSIVE = "inconclusive"  # its canary found too little traffic
    NOT_BETTER = "not_better"  # it did not win on the same rows; nothing was published
    COMPARED = "compared"  # a dry run: nothing was published


class ComparisonView(BaseModel):
    """The candidate against one rival on the same rows: gain in log-loss (nats a row) with its 90 % interval."""

    model_config = ConfigDict(frozen=True)

    against: str
    outcome: Comparison
    rows: int
    days: int
    gain: float | None
    gain_lower: float | None
    gain_upper: float | None
    reason: str


class RetrainOutcome(BaseModel):
    """What was trained, on which days, how it compared, and what became of it.

    `digest` is set once it is published; `insisted` when a person skipped the comparison's vote.
    """

    model_config = ConfigDict(frozen=True)

    pipeline: str
    result: RetrainResult
    version: str
    digest: str | None
    trained_from: date
    trained_until: date
    until: date
    comparisons: tuple[ComparisonView, ...]
    insisted: bool = False
    rollout: ReleaseOutcome | None = None
    incident_id: str | None = None


@flow(name="retrain", flow_run_name="retrain-{pipeline}", persist_result=False)
def retrain(
    pipeline: str,
    until: date | None = None,
    incident_id: str | None = None,
    estimator: str | None = None,
    skip_comparison: bool = False,
    dry_run: bool = False,
) -> RetrainOutcome:
    """Train on the days before `until` (the last day with features), compare, publish, release.

    `estimator` (module:function) replaces the pipeline's own; `skip_comparison` releases the candidate whatever the
    comparison says, and the record keeps that a person insisted. TrainingRefused while the data are in doubt or too
    few. Without a champion the candidate only has to beat the base rate.
    """
    settings = load_settings()
    with exclusive(settings.release_root(pipeline) / "retrain.lock"):
        try:
            outcome = _retrain(settings, pipeline, until, incident_id, estimator, skip_comparison, dry_run)
        except AutopilotError as exc:
            _tell(settings, pipeline, {"result": "failed", "reason": str(exc), "incident_id": incident_id})
            raise
    _tell(settings, pipeline, outcome.model_dump(mode="json", exclude={"comparisons", "rollout"}))
    _show(outcome)
    return outcome


def _retrain(
    settings: Settings,
    pipeline: str,
    until: date | None,
    incident_id: str | None,
    estimator: str | None,
    insisted: bool,
    dry_run: bool,
) -> RetrainOutcome:
    """The story of one candidate; the caller holds the pipeline's retrain lock."""
    workshop = _workshop(settings, pipeline)
    plan = plan_training(workshop.pipeline, workshop.labels, until, estimator)
    check_incidents(settings.ledger_dsn, pipeline, incident_id)
    champion = open_champion(settings.release_root(pipeline), ensure_keys(settings.keys_dir).public)
    _note(settings, pipeline, "retrain.started", plan, until=plan.until.isoformat(), incident_id=incident_id)
    points.reached("retrain.planned", plan=plan.key)
    registered = register(workshop, plan, champion)
    points.reached("retrain.registered", version=registered.version)
    if champion is not None and champion.manifest.mlflow_run_id == registered.run_id:
        # An earlier run of this plan was cut off after the promotion; the candidate need not beat itself.
        done = {"result": RetrainResult.PROMOTED, "digest": champion.digest}
        return _outcome(plan, registered, (), insisted, incident_id).model_copy(update=done)
    comparisons = meet_rivals(workshop, plan, registered, champion)
    _note(settings, pipeline, "retrain.compared", plan, version=registered.version, **_gains(comparisons))
    points.reached("retrain.compared", version=registered.version)
    outcome = _outcome(plan, registered, comparisons, insisted, incident_id)
    won = all(compared.outcome is Comparison.WIN for compared in comparisons)
    if dry_run or not (won or insisted):
        result = RetrainResult.COMPARED if dry_run else RetrainResult.NOT_BETTER
        return outcome.model_copy(update={"result": result})
    model = sign_and_store(settings, workshop, plan, registered)
    points.reached("retrain.published", digest=model.digest)
    reason = "; ".join(compared.reason for compared in comparisons)
    rollout = release(pipeline, model.digest, incident_id=incident_id, reason=reason)
    points.reached("retrain.released", generation=rollout.generation)
    if rollout.result is Result.PROMOTED:
        withdraw_verdicts(settings.ledger_dsn, pipeline, model.version)
    return outcome.model_copy(update={"result": _RESULTS[rollout.result], "digest": model.digest, "rollout": rollout})


_RESULTS = {
    Result.BOOTSTRAPPED: RetrainResult.BOOTSTRAPPED,
    Result.PROMOTED: RetrainResult.PROMOTED,
    Result.ABORTED: RetrainResult.ABORTED,
    Result.INCONCLUSIVE: RetrainResult.INCONCLUSIVE,
}


@_task
def check_incidents(ledger_dsn: str, pipeline: str, incident_id: str | None) -> None:
    """Refuse while an unfinished incident says that the newest data may be wrong, and for one that is over.

    A run that waited in the queue while its worker was dead may find that a later attempt has healed its incident.
    """
    with Ledger(ledger_dsn) as ledger:
        if incident_id is not None and (incident := ledger.incident(incident_id)).ended:
            raise TrainingRefused(
                f"incident {incident_id} has {incident.status} meanwhile and needs no retrain; leave out "
                "incident_id to retrain all the same"
            )
        refuse_on_open_incidents(ledger.unfinished(pipeline), except_id=incident_id)


@_task
def register(workshop: Workshop, plan: TrainingPlan, champion: LoadedModel | None) -> RegisteredModel:
    """Train, log and register the candidate, or find it where an earlier run left it."""
    return register_candidate(workshop, plan, champion)


@_task
def meet_rivals(
    workshop: Workshop, plan: TrainingPlan, registered: RegisteredModel, champion: LoadedModel | None
) -> tuple[Compared, ...]:
    """Score the candidate, the base rate and the champion on the same held-out rows."""
    return compare_candidate(workshop, plan, registered, champion)


@_task
def sign_and_store(settings: Settings, workshop: Workshop, plan: TrainingPlan, registered: RegisteredModel) -> ModelRef:
    """Publish the candidate's registered bytes into the release root."""
    root = settings.release_root(plan.pipeline)
    model = publish_candidate(workshop, plan, registered, root, ensure_keys(settings.keys_dir))
    with Ledger(settings.ledger_dsn) as ledger:
        ledger.note(plan.pipeline, "model.published", model.digest, {"version": model.version})
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


def _outcome(
    plan: TrainingPlan,
    registered: RegisteredModel,
    comparisons: tuple[Compared, ...],
    insisted: bool,
    incident_id: str | None,
) -> RetrainOutcome:
    """The outcome as it stands before anything is published."""
    return RetrainOutcome(
        pipeline=plan.pipeline,
        result=RetrainResult.COMPARED,
        version=registered.version,
        digest=None,
        trained_from=plan.train_from,
        trained_until=plan.train_until,
        until=plan.until,
        comparisons=tuple(
            ComparisonView(
                against=compared.against,
                outcome=compared.outcome,
                rows=compared.rows,
                days=compared.days,
                gain=compared.gain,
                gain_lower=compared.gain_lower,
                gain_upper=compared.gain_upper,
                reason=compared.reason,
            )
            for compared in comparisons
        ),
        insisted=insisted,
        incident_id=incident_id,
    )


def _gains(comparisons: tuple[Compared, ...]) -> dict[str, object]:
    return {f"against {compared.against}": compared.reason for compared in comparisons}


def _note(settings: Settings, pipeline: str, kind: str, plan: TrainingPlan, **detail: object) -> None:
    with Ledger(settings.ledger_dsn) as ledger:
        ledger.note(pipeline, kind, plan.key[:12], detail)


def _tell(settings: Settings, pipeline: str, detail: dict[str, object]) -> None:
    """On the timeline, and as the event that lets `heal` look at once."""
    with Ledger(settings.ledger_dsn) as ledger:
        ledger.note(pipeline, "retrain.finished", pipeline, detail)
    emit(EventName.RETRAIN_FINISHED, pipeline, detail)


def _show(outcome: RetrainOutcome) -> None:
    log.info("retrain_finished", pipeline=outcome.pipeline, result=outcome.result.value, version=outcome.version)
    rows = [f"| {c.against} | {c.outcome} | {c.reason} |" for c in outcome.comparisons]
    insisted = " (a person insisted)" if outcome.insisted else ""
    lines = [
        f"Candidate {outcome.version}, learned until {outcome.trained_until}: **{outcome.result}**{insisted}",
        "",
        "| against | outcome | why |",
        "|---|---|---|",
        *rows,
    ]
    create_markdown_artifact(key=f"retrain-{outcome.pipeline}".replace("_", "-"), markdown="\n".join(lines))
