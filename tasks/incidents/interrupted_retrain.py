"""Retrains that ended before their work was done, because their run was killed or a service did not answer."""

from datetime import UTC, datetime, timedelta

import structlog

from healing.errors import OrchestratorUnavailable
from healing.incident import Cause
from healing.release import Release
from releases.log import ReleaseLog
from releases.release_root import ReleaseRoot
from tasks.config.pipeline import Pipeline
from tasks.config.settings import Settings
from tasks.incidents.flow_runner import FlowRunner
from tasks.ledger.pauses import current_pause
from tasks.ledger.records import JournalEntry
from tasks.ledger.store import Ledger
from tasks.rollout.rollout import RolloutResult
from tasks.rollout.trial_history import end_of_trial
from tasks.runtime.file_locks import is_held
from tasks.runtime.flow_runs import RunState, run_state

log = structlog.get_logger(__name__)

STARTED, FINISHED, REPEATED = "retrain.started", "retrain.finished", "retrain.repeated"
REPEATS_MAX = 3  # of one training plan; then the next renewal by schedule trains on newer days
WAIT_SECONDS = 30.0  # after a failure of a service, doubled with each repetition
_REQUEST = ("until", "estimator", "skip_comparison")
_KEPT = (*_REQUEST, "generation")
_OUTAGES = frozenset({Cause.REGISTRY_UNAVAILABLE, Cause.STORE_UNAVAILABLE, Cause.ORCHESTRATOR_UNAVAILABLE})


def repeat_interrupted_retrain(settings: Settings, config: Pipeline, runner: FlowRunner) -> None:
    """Start the last retrain again if its run was killed, or failed while a service did not answer.

    The repetition has the same days, so it continues with what was registered and published. A run that was killed
    during the trial of its candidate is not repeated: another controller brings the trial to its end, which is then
    recorded as the end of the retrain. Left alone are retrains of an incident, whose attempt is repeated by policy,
    dry runs, runs that a person cancelled, and retrains that were started without a deployment, which a person
    watches. Nothing is repeated while an outage is open or the pipeline is paused. If Prefect does not answer, the
    repetition waits for the next call.
    """
    if not runner.detached:
        return
    with Ledger(settings.ledger_dsn) as ledger:
        begun = _last_begun(ledger, config.name)
        if begun is None or not _is_repeatable(begun):
            return
        earlier = [each for each in ledger.entries(config.name, REPEATED) if each.subject == begun.subject]
        why = _interruption(ledger, begun, datetime.now(UTC), waits=len(earlier))
        root = settings.release_root(config.name)
        if why is None or is_held(settings.release_dir(config.name) / "retrain.lock"):
            return
        trial = next((each for each in ReleaseLog(root).history() if _is_trial_after(each, begun)), None)
        if trial is not None:
            _record_end_of_trial(ledger, root, begun, trial, why)
        elif len(earlier) < REPEATS_MAX and not _is_blocked(ledger, config.name):
            _repeat(ledger, runner, begun, why)


def _last_begun(ledger: Ledger, pipeline: str) -> JournalEntry | None:
    """The start of the last retrain, or its repetition where that has not recorded a start of its own."""
    found = [entry for kind in (STARTED, REPEATED) for entry in ledger.entries(pipeline, kind, limit=1)]
    return max(found, key=lambda entry: entry.id, default=None)


def _is_repeatable(begun: JournalEntry) -> bool:
    detail = begun.detail
    return bool(detail.get("run_id")) and not detail.get("incident_id") and not detail.get("dry_run")


def _interruption(ledger: Ledger, begun: JournalEntry, now: datetime, waits: int) -> str | None:
    """Why the retrain ended before its work was done; None if it still runs, is done, or must not be repeated yet."""
    ended = next((entry for entry in ledger.entries(begun.pipeline, FINISHED, limit=1) if entry.id > begun.id), None)
    if ended is None:
        state = run_state(str(begun.detail["run_id"]))
        return "its run was killed" if state is RunState.CRASHED else None
    waited = now - ended.at >= timedelta(seconds=WAIT_SECONDS * 2**waits)
    return str(ended.detail.get("reason")) if ended.detail.get("transient") and waited else None


def _is_trial_after(release: Release, begun: JournalEntry) -> bool:
    return release.challenger is not None and release.generation > int(str(begun.detail.get("generation") or 0))


def _record_end_of_trial(ledger: Ledger, root: ReleaseRoot, begun: JournalEntry, trial: Release, why: str) -> None:
    """Record how the retrain ended, once the trial of its candidate has."""
    assert trial.challenger is not None
    model = trial.challenger.model
    end = end_of_trial(root, trial, model)
    if end is None:
        return
    result = RolloutResult.PROMOTED if end.champion.digest == model.digest else RolloutResult.ABORTED
    detail = {"result": result, "version": model.version, "digest": model.digest, "until": begun.detail.get("until")}
    ledger.record_entry(begun.pipeline, FINISHED, begun.pipeline, {**detail, "reason": why, "incident_id": None})


def _is_blocked(ledger: Ledger, pipeline: str) -> bool:
    open_causes = {incident.cause for incident in ledger.unfinished_incidents(pipeline)}
    return bool(open_causes & _OUTAGES) or current_pause(ledger, pipeline) is not None


def _repeat(ledger: Ledger, runner: FlowRunner, begun: JournalEntry, why: str) -> None:
    """Start the run and record it. A healer that is killed between the two gets the same run from the same key."""
    kept = {name: begun.detail[name] for name in _KEPT if begun.detail.get(name)}
    parameters = {"pipeline": begun.pipeline, **{name: kept[name] for name in _REQUEST if name in kept}}
    try:
        run = runner.run("retrain/retrain", parameters, f"{begun.pipeline}/retrain/{begun.id}")
    except OrchestratorUnavailable as exc:
        log.warning("retrain_not_repeated", pipeline=begun.pipeline, cause=str(exc))
        return
    ledger.record_entry(begun.pipeline, REPEATED, begun.subject, {**kept, "run_id": run, "reason": why})
    log.info("retrain_repeated", pipeline=begun.pipeline, run=run, reason=why)
