"""Retrospect: what the judge of trials would have done with a trial that is in the log, beside what was done."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, ConfigDict, ValidationError

from healing.errors import GatewayUnavailable, ModelCorrupt, UsageError
from healing.promotion import Decision
from healing.release import Mode, ModelRef, Reason
from healing.replay import LoggedStage, Ruling, replay, with_labels
from healing.trial_guard import TrialGuard
from healing.trial_rules import CheckState, TrialRules
from releases.document import RulesDocument
from releases.loader import load
from releases.log import ReleaseLog
from releases.signing import ensure_keys
from releases.store import ModelStore
from tasks.config.pipeline import Pipeline, load_pipeline
from tasks.config.settings import Settings, load_settings
from tasks.monitoring.champion_comparison import first_failed, paired_quality
from tasks.monitoring.paired_rows import Model
from tasks.rollout.logged_trial import Trial, expected_of, find_trial, logged_stages
from tasks.serving.prediction_log import drain_predictions

log = structlog.get_logger(__name__)
_task = task(cache_policy=NO_CACHE, persist_result=False)


class StageRuling(BaseModel):
    """What would have been decided of one stage: after which of the challenger's requests, when, and why."""

    model_config = ConfigDict(frozen=True)

    generation: int
    mode: Mode
    weight: float
    requests_logged: int
    decision: Decision
    request: int
    at: datetime
    reason: str
    notes: tuple[str, ...]
    checks: tuple[CheckState, ...]


class Retrospect(BaseModel):
    """One trial judged again. `decision` is what would have become of it, `done` what became of it, and by whom."""

    model_config = ConfigDict(frozen=True)

    pipeline: str
    challenger: str
    digest: str
    champion: str
    rules: TrialRules
    decision: Decision
    reason: str
    done: str
    stages: tuple[StageRuling, ...]


@flow(name="retrospect", persist_result=False)
def retrospect(
    pipeline: str,
    digest: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    overrides: dict[str, str] | None = None,
) -> Retrospect:
    """Replay the last trial that began in [since, until] (of the model that `digest` begins) through the same judge.

    It is judged by the rules that were written into the log with it, changed by `overrides`. Nothing is changed that
    serves. UsageError when there is no such trial, or no such rule.
    """
    settings = load_settings()
    config = load_pipeline(pipeline, settings.pipelines_dir)
    drain(settings, pipeline)
    history = ReleaseLog(settings.release_root(pipeline)).history()
    trial = find_trial(history, digest, since, until)
    rules = changed(trial.challenger.rules, overrides or {})
    stages = logged_stages(trial, settings.lake_root(pipeline), config.release, rules)
    rulings = rule(settings, config, trial, rules, stages)
    decision, reason = conclude(config, trial, rulings)
    log.info("trial_replayed", pipeline=pipeline, challenger=trial.challenger.model.version, decision=decision)
    return Retrospect(
        pipeline=pipeline,
        challenger=trial.challenger.model.version,
        digest=trial.challenger.model.digest,
        champion=trial.champion.version,
        rules=rules,
        decision=decision,
        reason=reason,
        done=_done(trial),
        stages=tuple(_shown(ruling) for ruling in rulings),
    )


@_task
def drain(settings: Settings, pipeline: str) -> None:
    """Bring in what the gateway logged last; without a gateway the lake has all there is."""
    operate = settings.addresses().operate
    if operate is None:
        return
    try:
        drain_predictions(operate, settings.lake_root(pipeline))
    except GatewayUnavailable as exc:
        log.warning("predictions_not_drained", cause=str(exc))


@_task
def rule(
    settings: Settings, config: Pipeline, trial: Trial, rules: TrialRules, stages: Sequence[LoggedStage]
) -> tuple[Ruling, ...]:
    """A ruling for each stage up to the first abort, by what was seen at once and by labels once they were known."""
    first = trial.challenger
    root = settings.release_root(config.name)
    guard = TrialGuard(rules, first.mode, first.weight, expected_of(trial, root))
    rulings = replay(stages, guard)
    models = [_opened(settings, config.name, model) for model in (trial.champion, first.model)]
    condemned = first_failed(
        lambda moment: paired_quality(
            config, settings.lake_root(config.name), models[0], models[1], trial.began, rules, until=moment
        ),
        trial.began,
        trial.ended,
        rules.quality_block_seconds,
    )
    heard: list[Ruling] = []
    for ruling in rulings:
        by_labels = condemned is not None and ruling.stage.began <= condemned[1] <= ruling.stage.ended
        heard.append(with_labels(ruling, *condemned) if condemned is not None and by_labels else ruling)
        if heard[-1].decision is Decision.ABORT:
            break
    return tuple(heard)


def conclude(config: Pipeline, trial: Trial, rulings: Sequence[Ruling]) -> tuple[Decision, str]:
    """What would have become of the trial, and why."""
    for ruling in rulings:
        if ruling.decision is not Decision.PROMOTE:
            return ruling.decision, ruling.reason
    last, tried = config.release.stages[-1], trial.releases[-1].challenger
    assert tried is not None
    promoted = trial.ended_by is not None and trial.ended_by.reason is Reason.PROMOTE
    if promoted or (tried.mode, tried.weight) == (last.mode, last.weight):
        return Decision.PROMOTE, "it passes every stage"
    return Decision.CONTINUE, f"it passes every stage that is in the log; after {tried.weight:g} it was not tried"


def changed(rules: TrialRules, overrides: Mapping[str, str]) -> TrialRules:
    """The rules with the given ones in place of their own; UsageError names what is wrong."""
    document: dict[str, object] = RulesDocument.of(rules).model_dump()
    unknown = set(overrides) - set(document)
    if unknown:
        raise UsageError(f"no such rule: {', '.join(sorted(unknown))}; rules are {', '.join(document)}")
    given: dict[str, object] = {**document, **overrides}
    if "votes" in overrides:
        given["votes"] = tuple(name for name in overrides["votes"].split(",") if name)
    try:
        return RulesDocument.model_validate(given).rules()
    except ValidationError as exc:
        first = exc.errors()[0]
        raise UsageError(f"rule {first['loc'][0]}: {first['msg']}, found {first['input']!r}") from exc


def _opened(settings: Settings, pipeline: str, model: ModelRef) -> Model:
    """The model, to answer what it did not answer live; its digest alone when it cannot be opened any more."""
    path = ModelStore(settings.release_root(pipeline)).path(model.digest)
    try:
        return load(path, ensure_keys(settings.keys_dir).public)
    except ModelCorrupt as exc:
        log.warning("model_not_opened", digest=model.digest, cause=str(exc))
        return model.digest


def _done(trial: Trial) -> str:
    end = trial.ended_by
    if end is None:
        return "it is on trial"
    note = f": {end.note}" if end.note else ""
    return f"{end.reason} by {end.author} at {end.created_at:%Y-%m-%d %H:%M:%S}Z{note}"


def _shown(ruling: Ruling) -> StageRuling:
    stage = ruling.stage
    return StageRuling(
        generation=stage.generation,
        mode=stage.mode,
        weight=stage.weight,
        requests_logged=sum(request.challenger for request in stage.requests),
        decision=ruling.decision,
        request=ruling.request,
        at=ruling.at,
        reason=ruling.reason,
        notes=stage.notes,
        checks=ruling.checks,
    )
