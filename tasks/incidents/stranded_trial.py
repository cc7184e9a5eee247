"""Trials whose controller died: a new controller resumes them where possible, otherwise they are aborted."""

import structlog

from healing.errors import Corrupt, OrchestratorUnavailable, StoreUnavailable
from tasks.config.pipeline import Pipeline
from tasks.config.settings import Settings
from tasks.incidents.flow_runner import FlowRunner
from tasks.incidents.remedy_action import AUTHOR
from tasks.rollout.release_changes import abort_trial
from tasks.rollout.release_events import announce_release
from tasks.rollout.trial_controller_lease import stranded_trial
from tasks.rollout.trial_history import Resumption, resumable
from tasks.runtime import crash_points
from tasks.runtime.clock import current_moment

log = structlog.get_logger(__name__)


def resume_stranded_trial(
    settings: Settings, config: Pipeline, runner: FlowRunner, *, seconds_max: float = 0.0
) -> None:
    """Start a controller for a trial that has none, or abort the trial, because nothing observes its challenger.

    If Prefect does not answer, the trial waits for the next `heal`. `seconds_max` is how long to observe the lease of a
    controller of another host; a process that calls this again and again needs no such time.
    """
    root = settings.release_root(config.name)
    try:
        stranded = stranded_trial(root, settings.ledger_dsn, config.name, seconds_max)
    except (Corrupt, StoreUnavailable) as exc:  # the healer repairs the release log before it judges a trial
        log.warning("trial_not_read", cause=str(exc))
        return
    if stranded is None or stranded.challenger is None:
        return
    resumption = resumable(root, settings.ledger_dsn, config.release, current_moment())
    if resumption is not None and runner.detached:
        _resume(config.name, resumption, runner)
        return
    aborted = abort_trial(root, stranded.challenger.model.digest, author=AUTHOR, note="its controller is gone")
    if aborted is not None:
        crash_points.reached("heal.trial_aborted", generation=aborted.generation)
        announce_release(settings.ledger_dsn, aborted)


def _resume(pipeline: str, resumption: Resumption, runner: FlowRunner) -> None:
    parameters = {"pipeline": pipeline, "digest": resumption.digest, "incident_id": resumption.incident_id}
    try:
        run = runner.run("release/release", parameters, f"{pipeline}/{resumption.key}")
    except OrchestratorUnavailable as exc:
        log.warning("trial_not_resumed", version=resumption.version, cause=str(exc))
        return
    log.info("trial_resumed", version=resumption.version, run=run)
