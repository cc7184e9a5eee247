"""The `retrain` flow: train a candidate, compare it on later rows, refit it on all rows, publish it and release it.

Every step finds what an earlier, killed run of the same plan did, so running the flow again completes it.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import structlog
from prefect import flow, runtime, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from flows.release import release
from healing.errors import AutopilotError, Transient
from healing.release import ModelRef
from healing.verdict import Outcome
from releases.loader import LoadedModel
from releases.log import ReleaseLog
from tasks.config.settings import Settings, load_settings
from tasks.ledger.pauses import refuse_while_paused
from tasks.ledger.store import Ledger
from tasks.rollout.champion import open_champion
from tasks.rollout.earlier_champions import (
    EarlierChampions,
    compare_earlier_champions,
    record_returning,
    returned_before,
)
from tasks.rollout.retrain_outcome import RetrainOutcome, RetrainRequest, RetrainResult
from tasks.rollout.rollout import RolloutResult
from tasks.runtime import crash_points
from tasks.runtime.events import EventName, emit
from tasks.runtime.file_locks import exclusive
from tasks.runtime.progress import report_progress
from tasks.runtime.traces import observed, observed_task
from tasks.training.candidate import (
    TrainingContext,
    check_refit,
    compare_candidate,
    publish_candidate,
    refit_candidate,
    register_candidate,
)
from tasks.training.candidate_comparison import ComparisonResult
from tasks.training.comparison import Comparison
from tasks.training.mlflow_registry import RegisteredModel
from tasks.training.plan import TrainingPlan, plan_training
from tasks.training.preconditions import check_preconditions
from tasks.training.refit import refit_plan
from tasks.training.reproducibility import require_registered, train_again

log = structlog.get_logger(__name__)

STEPS = ("fit", "compare", "refit", "publish", "release")
_NOT_IN_JOURNAL = {"comparisons", "earlier", "rollout", "repetition", "held_out"}  # entries of their own, or too long
LOCK_SECONDS_MAX = 60.0  # a training takes minutes, and a run that waits for one holds a slot

_task = task(cache_policy=NO_CACHE, persist_result=False)
check = _task(observed_task(check_preconditions))
register = _task(observed_task(register_candidate))
repeat = _task(observed_task(train_again))
compare = _task(observed_task(compare_candidate))
refit_on_all = _task(observed_task(refit_candidate))
compare_fits = _task(observed_task(check_refit))
compare_earlier = _task(observed_task(compare_earlier_champions))
record_return = _task(observed_task(record_returning))


@flow(name="retrain", flow_run_name="retrain-{pipeline}", persist_result=False)
@observed
def retrain(
    pipeline: str,
    until: date | None = None,
    incident_id: str | None = None,
    estimator: str | None = None,
    skip_comparison: bool = False,
    dry_run: bool = False,
    again: bool = False,
) -> RetrainOutcome:
    """Train on the days up to `until` (by default the last day with features), compare, publish, release.

    `estimator` (module:function) replaces the pipeline's own. `skip_comparison` releases the candidate whatever the
    comparison shows, which the outcome records. `dry_run` stops after the comparison. `again` trains an earlier plan a
    second time and reports whether the same model results; UsageError when the plan was never trained. TrainingRefused
    while the data are doubtful or too few, PipelinePaused while the pipeline is paused. Without a champion the
    candidate only has to beat the base rate.

    Before the training, earlier champions are compared with the champion: one that wins returns through a trial, and
    no candidate is made. With `estimator` or `skip_comparison` that is left out.
    """
    settings = load_settings()
    request = RetrainRequest(pipeline, until, incident_id, estimator, skip_comparison, dry_run, again)
    if not (dry_run or again):
        refuse_while_paused(settings.ledger_dsn, pipeline)
    running = f"another retrain of {pipeline} is running; wait until it ends, or cancel it"
    lock = settings.release_dir(pipeline) / "retrain.lock"
    with exclusive(lock, seconds_max=LOCK_SECONDS_MAX, when_held=running):
        try:
            outcome = _train_again(settings, request) if again else _train_and_release(settings, request)
        except AutopilotError as exc:
            failure = {"result": "failed", "reason": str(exc), "transient": isinstance(exc, Transient)}
            _report_end(settings, pipeline, {**failure, "incident_id": incident_id})
            raise
    _report_end(settings, pipeline, outcome.model_dump(mode="json", exclude=_NOT_IN_JOURNAL))
    log.info("retrain_finished", pipeline=pipeline, result=outcome.result.value, version=outcome.version)
    create_markdown_artifact(key=f"retrain-{pipeline}".replace("_", "-"), markdown=outcome.markdown)
    return outcome


def _train_again(settings: Settings, request: RetrainRequest) -> RetrainOutcome:
    context = TrainingContext.of(settings, request.pipeline)
    plan = plan_training(context.pipeline, context.labels, request.until, request.estimator)
    registered = require_registered(context, plan)
    repetition = repeat(context, plan, registered)
    outcome = RetrainOutcome.of(request, plan, registered)
    return outcome.ended(RetrainResult.REPEATED, repetition=repetition, model_sha256=repetition.first_sha256)


def _train_and_release(settings: Settings, request: RetrainRequest) -> RetrainOutcome:
    context = TrainingContext.of(settings, request.pipeline)
    plan = plan_training(context.pipeline, context.labels, request.until, request.estimator)
    check(settings, context.pipeline, plan, request.incident_id)
    champion = open_champion(context.release_root, context.keys.public)
    _record(settings, plan, "retrain.started", _started(plan, request, ReleaseLog(context.release_root)))
    crash_points.reached("retrain.planned", plan=plan.key)

    if request.skip_comparison or request.estimator:  # a person who asks for either wants a candidate
        return _release_candidate(settings, context, plan, request, champion)
    if champion is not None and returned_before(settings.ledger_dsn, plan, champion):
        return RetrainOutcome.of_returning(request, plan, champion).ended(RetrainResult.RETURNED)
    earlier = compare_earlier(context, plan, champion)
    if earlier.compared:
        _record(settings, plan, "retrain.earlier_compared", {each.version: each.reason for each in earlier.compared})
    if earlier.returning is not None:
        return _return(settings, context, plan, request, earlier)
    outcome = _release_candidate(settings, context, plan, request, champion)
    return outcome.model_copy(update={"earlier": earlier.compared})


def _release_candidate(
    settings: Settings,
    context: TrainingContext,
    plan: TrainingPlan,
    request: RetrainRequest,
    champion: LoadedModel | None,
) -> RetrainOutcome:
    _report_step("fit")
    registered = register(context, plan, champion)
    crash_points.reached("retrain.registered", version=registered.version)
    outcome = RetrainOutcome.of(request, plan, registered)
    if champion is not None and registered.run_id in _runs_of(champion):
        # An earlier run of this plan was killed after the promotion. The candidate is the champion and cannot beat it.
        return outcome.ended(RetrainResult.PROMOTED, digest=champion.digest)

    _report_step("compare")
    compared = compare(context, plan, registered, champion)
    _record(settings, plan, "retrain.compared", {"version": registered.version, **_reasons(compared)})
    crash_points.reached("retrain.compared", version=registered.version)
    shown: dict[str, Any] = {
        "comparisons": compared.comparisons,
        "leakage_warning": compared.leakage_warning,
        "held_out": compared.held_out,
        "sample": context.dataset(plan).sample,
    }
    if request.dry_run:
        return outcome.ended(RetrainResult.COMPARED, **shown)
    if not (compared.accepted or request.skip_comparison):
        return outcome.ended(RetrainResult.NOT_BETTER, **shown)

    refits = context.pipeline.retrain.refit and compared.accepted  # what a person releases in any case stays as it is
    _report_step("refit")
    refit, agreement = _refit(settings, context, plan, registered) if refits else (None, None)
    if refit is not None:
        last_day = refit_plan(plan, context.dataset(plan)).train_until
        shown |= {"model_sha256": refit.model_sha256, "trained_until": last_day}
    shown["refit"] = agreement

    _report_step("publish")
    model = publish(settings, context, plan, registered, champion, refit)
    crash_points.reached("retrain.published", digest=model.digest)
    _report_step("release")
    reason = "; ".join(each.reason for each in compared.comparisons if not each.segment)
    rollout = release(request.pipeline, model.digest, incident_id=request.incident_id, reason=reason)
    crash_points.reached("retrain.released", generation=rollout.generation)
    if rollout.result is RolloutResult.PROMOTED:
        reset_checks(settings.ledger_dsn, request.pipeline, model.version)
    return outcome.ended(RetrainResult(rollout.result.value), digest=model.digest, rollout=rollout, **shown)


def _return(
    settings: Settings,
    context: TrainingContext,
    plan: TrainingPlan,
    request: RetrainRequest,
    earlier: EarlierChampions,
) -> RetrainOutcome:
    """Put the earlier champion that returns through all stages of a trial. No candidate is made."""
    model = earlier.returning
    assert model is not None  # one of them returns
    outcome = RetrainOutcome.of_returning(request, plan, model, earlier=earlier.compared, skipped=STEPS[:-1])
    log.info("earlier_champion_returns", pipeline=plan.pipeline, version=outcome.version, skipped=outcome.skipped)
    if request.dry_run:
        return outcome
    record_return(settings.ledger_dsn, context, plan, earlier)
    _report_step("release")
    rollout = release(
        request.pipeline, model.digest, incident_id=request.incident_id, reason=earlier.reason, all_stages=True
    )
    if rollout.result is not RolloutResult.PROMOTED:
        return outcome.ended(RetrainResult(rollout.result.value), rollout=rollout)
    reset_checks(settings.ledger_dsn, request.pipeline, outcome.version)
    return outcome.ended(RetrainResult.RETURNED, rollout=rollout)


def _refit(
    settings: Settings, context: TrainingContext, plan: TrainingPlan, registered: RegisteredModel
) -> tuple[RegisteredModel | None, Comparison]:
    """The refit of the accepted candidate, and its comparison with the compared fit; None where that refuses it."""
    refit = refit_on_all(context, plan, registered)
    crash_points.reached("retrain.refitted", version=refit.version)
    agreement = compare_fits(context, plan, registered, refit)
    kind = "retrain.refit_refused" if agreement.blocks else "retrain.refitted"
    _record(settings, plan, kind, {"version": refit.version, "agreement": agreement.reason})
    if agreement.blocks:
        log.warning("refit_refused", pipeline=plan.pipeline, version=refit.version, why=agreement.reason)
        return None, agreement
    return refit, agreement


@_task
@observed_task
def publish(
    settings: Settings,
    context: TrainingContext,
    plan: TrainingPlan,
    registered: RegisteredModel,
    champion: LoadedModel | None,
    refit: RegisteredModel | None,
) -> ModelRef:
    """Publish the candidate, or its refit, into the release root, and record that in the ledger and as an event."""
    model = publish_candidate(context, plan, registered, champion, refit)
    with Ledger(settings.ledger_dsn) as ledger:
        ledger.record_entry(plan.pipeline, "model.published", model.digest, {"version": model.version})
    emit(EventName.MODEL_PUBLISHED, plan.pipeline, {"digest": model.digest, "version": model.version})
    return model


@_task
@observed_task
def reset_checks(ledger_dsn: str, pipeline: str, version: str) -> None:
    """Record every monitor check as INCONCLUSIVE: the last verdicts were about the previous champion."""
    now = datetime.now(UTC)
    with Ledger(ledger_dsn) as ledger:
        for record in ledger.latest_checks(pipeline):
            verdict = replace(record.verdict, outcome=Outcome.INCONCLUSIVE, reason=f"{version} became champion since")
            ledger.record_check(replace(record, verdict=verdict, recorded_at=now))


def _started(plan: TrainingPlan, request: RetrainRequest, releases: ReleaseLog) -> dict[str, object]:
    """What the journal keeps of a start: all that a repetition needs. `run_id` is None for a run of no deployment."""
    return {
        "until": plan.until.isoformat(),
        "incident_id": request.incident_id,
        "estimator": request.estimator,
        "skip_comparison": request.skip_comparison,
        "dry_run": request.dry_run,
        "generation": releases.latest_generation(),
        "run_id": runtime.flow_run.id if runtime.deployment.id else None,
    }


def _report_step(step: str) -> None:
    report_progress("train", STEPS.index(step), len(STEPS))


def _runs_of(model: LoadedModel) -> tuple[str | None, ...]:
    """The MLflow runs of the model's fit, and of the fit that was compared in its place."""
    compared = model.manifest.compared
    return (model.manifest.mlflow_run_id, None if compared is None else compared.mlflow_run_id)


def _reasons(compared: ComparisonResult) -> dict[str, str]:
    """Reason of each comparison on all rows, and of each segment that blocks the candidate."""
    shown = [each for each in compared.comparisons if not each.segment or each.blocks]
    return {f"against {each.against} {each.segment}".rstrip(): each.reason for each in shown}


def _record(settings: Settings, plan: TrainingPlan, kind: str, detail: Mapping[str, object]) -> None:
    with Ledger(settings.ledger_dsn) as ledger:
        ledger.record_entry(plan.pipeline, kind, plan.key[:12], detail)


def _report_end(settings: Settings, pipeline: str, detail: dict[str, object]) -> None:
    """Record the end in the ledger's journal, and emit the event that starts `heal` at once."""
    with Ledger(settings.ledger_dsn) as ledger:
        ledger.record_entry(pipeline, "retrain.finished", pipeline, detail)
    emit(EventName.RETRAIN_FINISHED, pipeline, detail)
