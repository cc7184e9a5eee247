"""Replay of a logged trial: the trial guard and the check on labels judge it again, by the same or by other rules."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog
from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, ConfigDict, ValidationError

from healing.errors import ModelCorrupt, UsageError
from healing.promotion import Decision
from healing.release import Mode, ModelRef
from healing.remedy import passed_trial
from healing.replay import LoggedStage, ReplayedStage, replay, with_failed_labels
from healing.trial_guard import TrialGuard
from healing.trial_rules import CheckState, TrialRules
from releases.document import RulesDocument
from releases.loader import load
from releases.signing import ensure_keys
from releases.store import ModelStore
from tasks.config.pipeline import Pipeline
from tasks.config.settings import Settings
from tasks.monitoring.champion_comparison import first_failed, paired_quality
from tasks.monitoring.paired_rows import ModelOrDigest
from tasks.rollout.logged_trial import LoggedTrial, expected_of

log = structlog.get_logger(__name__)
_task = task(cache_policy=NO_CACHE, persist_result=False)


class StageRetrospect(BaseModel):
    """The decision that a replay makes on one stage: after which of the challenger's requests, when, and why."""

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

    @classmethod
    def of(cls, replayed: ReplayedStage) -> "StageRetrospect":
        stage = replayed.stage
        return cls(
            generation=stage.generation,
            mode=stage.mode,
            weight=stage.weight,
            requests_logged=sum(request.challenger for request in stage.requests),
            decision=replayed.decision,
            request=replayed.request,
            at=replayed.at,
            reason=replayed.reason,
            notes=stage.notes,
            checks=replayed.checks,
        )


class Retrospect(BaseModel):
    """One replayed trial. `decision` is the replay's; `done` says how the trial really ended, and by whom."""

    model_config = ConfigDict(frozen=True)

    pipeline: str
    challenger: str
    digest: str
    champion: str
    rules: TrialRules
    decision: Decision
    reason: str
    done: str
    stages: tuple[StageRetrospect, ...]


@_task
def replay_trial(
    settings: Settings, config: Pipeline, trial: LoggedTrial, rules: TrialRules, stages: Sequence[LoggedStage]
) -> tuple[ReplayedStage, ...]:
    """The decision on each stage up to the first abort: by the trial guard, and by labels from when they were known."""
    first = trial.challenger
    root = settings.release_root(config.name)
    guard = TrialGuard(rules, first.mode, first.weight, expected_of(trial, root))
    models = [_loaded(settings, config.name, model) for model in (trial.champion, first.model)]
    failed = first_failed(
        lambda moment: paired_quality(
            config, settings.lake_root(config.name), models[0], models[1], trial.began, rules, until=moment
        ),
        trial.began,
        trial.ended,
        rules.quality_block_seconds,
    )
    decided: list[ReplayedStage] = []
    for replayed in replay(stages, guard):
        in_stage = failed is not None and replayed.stage.began <= failed[1] <= replayed.stage.ended
        decided.append(with_failed_labels(replayed, *failed) if failed is not None and in_stage else replayed)
        if decided[-1].decision is Decision.ABORT:
            break
    return tuple(decided)


def conclude(config: Pipeline, trial: LoggedTrial, stages: Sequence[ReplayedStage]) -> tuple[Decision, str]:
    """The replay's decision on the whole trial, and why."""
    for stage in stages:
        if stage.decision is not Decision.PROMOTE:
            return stage.decision, stage.reason
    last, tried = config.release.stages[-1], trial.releases[-1].challenger
    assert tried is not None
    promoted = trial.ended_by is not None and passed_trial(trial.releases[-1], trial.ended_by)
    if promoted or (tried.mode, tried.weight) == (last.mode, last.weight):
        return Decision.PROMOTE, "it passes every stage"
    return Decision.CONTINUE, f"it passes every stage in the log; it was not tried above a weight of {tried.weight:g}"


def changed_rules(rules: TrialRules, overrides: Mapping[str, str]) -> TrialRules:
    """The rules with `overrides` in place of their own values; UsageError for an unknown rule or an invalid value."""
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


def actual_end(trial: LoggedTrial) -> str:
    """How the trial really ended, when, and by whom."""
    end = trial.ended_by
    if end is None:
        return "it is on trial"
    note = f": {end.note}" if end.note else ""
    return f"{end.reason} by {end.author} at {end.created_at:%Y-%m-%d %H:%M:%S}Z{note}"


def _loaded(settings: Settings, pipeline: str, model: ModelRef) -> ModelOrDigest:
    """The model, to answer rows that it did not answer live; only its digest when it cannot be loaded any more."""
    path = ModelStore(settings.release_root(pipeline)).fetch(model.digest)
    try:
        return load(path, ensure_keys(settings.keys_dir).public)
    except ModelCorrupt as exc:
        log.warning("model_not_loaded", digest=model.digest, cause=str(exc))
        return model.digest
