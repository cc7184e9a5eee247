"""The `retrospect` flow: judge a logged trial again, and show the result beside how the trial really ended."""

from datetime import datetime

import structlog
from prefect import flow

from releases.log import ReleaseLog
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import load_settings
from tasks.rollout.logged_trial import find_trial, logged_stages
from tasks.rollout.trial_replay import (
    Retrospect,
    StageRetrospect,
    actual_end,
    changed_rules,
    conclude,
    replay_trial,
)
from tasks.runtime.traces import observed
from tasks.serving.drain import drain_gateway_log

log = structlog.get_logger(__name__)


@flow(name="retrospect", persist_result=False)
@observed
def retrospect(
    pipeline: str,
    digest: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    overrides: dict[str, str] | None = None,
) -> Retrospect:
    """Replay the last trial that began in [since, until], of the model whose digest starts with `digest` if given.

    The rules are those in the log, changed by `overrides`. Nothing that serves is changed. UsageError when there is no
    such trial, or no such rule.
    """
    settings = load_settings()
    config = load_pipeline(pipeline, settings.pipelines_dir)
    drain_gateway_log(settings.addresses().operate, settings.lake_root(pipeline))
    history = ReleaseLog(settings.release_root(pipeline)).history()
    trial = find_trial(history, digest, since, until)
    rules = changed_rules(trial.challenger.rules, overrides or {})
    stages = logged_stages(trial, settings.lake_root(pipeline), config.release, rules)
    replayed = replay_trial(settings, config, trial, rules, stages)
    decision, reason = conclude(config, trial, replayed)
    log.info("trial_replayed", pipeline=pipeline, challenger=trial.challenger.model.version, decision=decision)
    return Retrospect(
        pipeline=pipeline,
        challenger=trial.challenger.model.version,
        digest=trial.challenger.model.digest,
        champion=trial.champion.version,
        rules=rules,
        decision=decision,
        reason=reason,
        done=actual_end(trial),
        stages=tuple(StageRetrospect.of(stage) for stage in replayed),
    )
