"""Steps of a model's trial in the release log: start, promote or abort it, and the releases that need no trial."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog
from prefect import task
from prefect.cache_policies import NO_CACHE

from healing.errors import Conflict
from healing.evidence import Evidence
from healing.fence import check_unfenced
from healing.incident import AttemptOutcome, Cause, Remedy, Status
from healing.promotion import Decision, Exposure
from healing.release import Challenger, ModelRef, Reason, Release
from healing.remedy import served_well
from releases.log import ReleaseLog, promotion_of, return_of, trial_of
from tasks.ledger.store import Ledger
from tasks.rollout.release_changes import abort_trial, commit_next
from tasks.rollout.release_events import announce_release
from tasks.rollout.rollout import AUTHOR, GATEWAY_AUTHOR, Rollout, StageEnd
from tasks.rollout.trial_history import current_release, end_of_trial, last_trial, on_trial
from tasks.runtime import crash_points as points
from tasks.runtime.events import EventName, emit, payload_of
from tasks.serving.gateway_client import await_generation

log = structlog.get_logger(__name__)

FOLLOW_SECONDS_MAX = 30.0  # a new version starts a worker process, which imports, loads and checks the model


@task(name="bootstrap release", cache_policy=NO_CACHE)
def bootstrap_release(rollout: Rollout) -> Release:
    """Write the first release; Conflict when the log has one already."""

    def decide(current: Release | None) -> Release | None:
        if current is not None:
            return None
        return Release(
            generation=1,
            created_at=datetime.now(UTC),
            pipeline=rollout.pipeline,
            author=AUTHOR,
            reason=Reason.BOOTSTRAP,
            champion=rollout.model,
            baseline=rollout.baseline,
            incident_id=rollout.incident_id,
            note=rollout.note,
        )

    first = commit_next(rollout.release_root, decide, rollout.signing)
    if first is None:
        raise Conflict(f"another writer made the first release of {rollout.pipeline}; release again to try this model")
    announce_and_follow(rollout, first)
    return first


@task(name="return champion", cache_policy=NO_CACHE)
def return_champion(rollout: Rollout, window_days: float) -> Release | None:
    """Make an earlier champion that served well within `window_days` champion again, without stages.

    Returns the release, once the gateway serves it; None when the model has to go through the stages.
    """
    releases = ReleaseLog(rollout.release_root)

    def decide(current: Release | None) -> Release | None:
        now = datetime.now(UTC)
        if current is None or current.challenger is not None:
            return None
        left = served_well(releases.history()).get(rollout.model.digest)
        if left is None or left < now - timedelta(days=window_days):
            return None
        note = rollout.note or "it served well recently"
        return return_of(
            current,
            rollout.model,
            rollout.baseline,
            author=AUTHOR,
            now=now,
            incident_id=rollout.incident_id,
            note=note,
        )

    returned = commit_next(rollout.release_root, decide, rollout.signing)
    if returned is not None:
        points.reached("release.promoted", digest=rollout.model.digest)
        announce_and_follow(rollout, returned)
    return returned


def refuse_fenced(rollout: Rollout, current: Release) -> None:
    """Raise IllegalTransition for a fenced model, unless a person lifts its fence.

    A controller that was killed between fence and incident did not record the incident; this records it.
    """
    fence = current.fence_of(rollout.model.digest)
    if fence is None or rollout.unfence_by is not None:
        return
    history = ReleaseLog(rollout.release_root).history()
    aborted = next(release for release in history if release.fence_of(fence.digest) == fence)
    if aborted.reason is Reason.ABORT and aborted.author in (AUTHOR, GATEWAY_AUTHOR):
        record_bad_candidate(rollout.ledger_dsn, aborted, rollout.model, fence.why, Exposure(0, 0, 0))
    check_unfenced(current.fenced, (fence.digest,))


def put_on_trial(rollout: Rollout, challenger: Challenger) -> Release:
    """The release with the challenger at its share; a killed controller may have written it already.

    IllegalTransition when the model is fenced and nobody lifts the fence.
    """

    def decide(current: Release | None) -> Release | None:
        if current is None or current.challenger == challenger:
            return None
        return trial_of(
            current,
            challenger,
            author=AUTHOR,
            now=datetime.now(UTC),
            incident_id=rollout.incident_id,
            note=rollout.note,
            unfenced_by=rollout.unfence_by,
        )

    written = commit_next(rollout.release_root, decide, rollout.signing)
    if written is not None:
        announce_release(rollout.ledger_dsn, written)
    return written or current_release(rollout.release_root)


@task(name="promote", cache_policy=NO_CACHE)
def promote(rollout: Rollout, passed: StageEnd) -> Release | StageEnd:
    """Make the challenger champion and wait for the gateway; how its trial ended if another writer ended it before."""

    def decide(current: Release | None) -> Release | None:
        if current is None or not on_trial(current, rollout.model):
            return None
        promoted = promotion_of(
            current,
            author=AUTHOR,
            now=datetime.now(UTC),
            incident_id=rollout.incident_id,
            note=rollout.note,
            served_before=any(each.champion.digest == rollout.model.digest for each in releases.history()),
        )
        return replace(promoted, baseline=rollout.baseline)

    releases = ReleaseLog(rollout.release_root)
    points.reached("release.promoting", digest=rollout.model.digest)
    if rollout.lease is not None:
        rollout.lease.renew()  # a controller that was paused for long may not know yet that another one took over
    rollout.check_controlled()
    promoted = commit_next(rollout.release_root, decide, rollout.signing)
    if promoted is None:
        trial = last_trial(rollout.release_root, rollout.model)
        return ended_elsewhere(end_of_trial(rollout.release_root, trial, rollout.model), passed.exposure)
    points.reached("release.promoted", digest=rollout.model.digest)
    announce_and_follow(rollout, promoted)
    return promoted


@task(name="abort trial", cache_policy=NO_CACHE)
def abort(rollout: Rollout, end: StageEnd) -> Release:
    """The release without the challenger, written here unless another writer was first.

    A challenger that failed a check is fenced and recorded as a recovered incident.
    """
    points.reached("release.aborting", digest=rollout.model.digest)
    aborted = abort_trial(
        rollout.release_root,
        rollout.model.digest,
        author=AUTHOR,
        incident_id=rollout.incident_id,
        note=end.reason,
        fence=end.check is not None,
    )
    points.reached("release.aborted", digest=rollout.model.digest)
    ended = aborted or end.ended_by or current_release(rollout.release_root)
    announce_release(rollout.ledger_dsn, ended)
    failed = end.check is not None if end.ended_by is None else end.ended_by.author == GATEWAY_AUTHOR
    if end.decision is Decision.ABORT and failed:
        record_bad_candidate(rollout.ledger_dsn, ended, rollout.model, end.reason, end.exposure)
    return ended


def record_bad_candidate(ledger_dsn: str, aborted: Release, model: ModelRef, reason: str, exposure: Exposure) -> None:
    """Record an aborted challenger as a recovered incident: the abort in `aborted` is its remedy.

    `heal` may handle the same incident, because the gateway's event wakes it. Then its attempt stands, and it closes
    the incident.
    """
    evidence = Evidence(
        pipeline=aborted.pipeline,
        cause=Cause.BAD_CANDIDATE,
        subject=model.digest,
        observer=aborted.author,
        observed_at=aborted.created_at,
        summary=f"challenger {model.version} aborted: {reason}",
        facts={"requests": exposure.requests, "errors": exposure.errors, "generation": aborted.generation},
    )
    with Ledger(ledger_dsn) as ledger:
        incident = ledger.record_evidence(evidence, status=Status.DIAGNOSED)
        if incident.ended:
            return
        try:
            if incident.status is Status.OPEN:
                ledger.set_status(incident.id, Status.DIAGNOSED, "its trial was aborted")
            attempt = ledger.start_attempt(incident.id, Remedy.ABORT_CANARY)
        except Conflict as exc:
            log.info("incident_handled_by_heal", incident=incident.id, cause=str(exc))
            return
        ledger.mark_mitigated(incident.id, "the challenger gets no traffic")
        note = f"generation {aborted.generation} by {aborted.author}"
        ledger.finish_attempt(incident.id, attempt.number, AttemptOutcome.SUCCEEDED, note)
        ledger.set_status(incident.id, Status.RECOVERED, note)
    emit(EventName.INCIDENT_RECOVERED, aborted.pipeline, {**payload_of(evidence), "incident_id": incident.id})


def ended_elsewhere(ended_by: Release | None, exposure: Exposure) -> StageEnd:
    """The stage's end when another writer ended the trial: ABORT for an abort, INCONCLUSIVE for a rollback."""
    if ended_by is None:
        return StageEnd(Decision.INCONCLUSIVE, exposure, "its trial is not in the log any more")
    reason = ended_by.note or f"ended by {ended_by.author} ({ended_by.reason})"
    decision = Decision.ABORT if ended_by.reason is Reason.ABORT else Decision.INCONCLUSIVE
    return StageEnd(decision, exposure, reason, ended_by=ended_by)


def announce_and_follow(rollout: Rollout, release: Release) -> None:
    """Announce a release, and wait until the gateway serves it."""
    announce_release(rollout.ledger_dsn, release)
    points.reached("release.announced", generation=release.generation)
    if rollout.operate_url is not None:
        await_generation(rollout.operate_url, release.generation, FOLLOW_SECONDS_MAX)
