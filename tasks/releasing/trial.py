"""A model's trial in real traffic: it gets its share, is watched, and ends as champion or gone."""

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog
from prefect import task
from prefect.cache_policies import NO_CACHE

from healing.errors import Conflict, GatewayUnavailable
from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy, Status
from healing.promotion import Decision, Exposure, StageRule, judge_stage
from healing.release import Challenger, ModelRef, Reason, Release
from releases.log import ReleaseLog, promotion_of, trial_of
from tasks.events import EventName, emit, payload_of
from tasks.ledger.ledger import Ledger
from tasks.releasing.announce import announce_release
from tasks.releasing.rollout import abort_trial, commit_next
from tasks.releasing.traffic import await_generation, look_at_gateway

log = structlog.get_logger(__name__)

AUTHOR = "release"
GUARD = "gateway"  # author of the aborts that the gateway writes itself
FOLLOW_SECONDS_MAX = 30.0  # a new version starts a worker process, which imports, loads and checks the model
LOOK_SECONDS = 0.5  # between two looks at a trial; the guard in the gateway does not wait for them


@dataclass(frozen=True, slots=True)
class Rollout:
    """One model on its way to traffic, and where its way is recorded."""

    pipeline: str
    model: ModelRef
    baseline: float
    release_root: Path
    ledger_dsn: str = field(repr=False)
    operate_url: str | None
    incident_id: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class StageEnd:
    """How a stage ended. `ended_by` is the release in which somebody else ended the whole trial."""

    decision: Decision
    exposure: Exposure
    reason: str
    ended_by: Release | None = None


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

    first = commit_next(rollout.release_root, decide)
    if first is None:
        raise Conflict(f"{rollout.pipeline} got its first release from somebody else; release again to try this model")
    _announce_and_follow(rollout, first)
    return first


@task(name="run stage", cache_policy=NO_CACHE)
def run_stage(rollout: Rollout, challenger: Challenger, rule: StageRule) -> StageEnd:
    """Give the challenger its share and look until the stage is decided, at most the deadline after it was taken up."""
    if rollout.operate_url is None:
        reason = "there is no gateway to try it at; start `autopilot up` and release again"
        return StageEnd(Decision.INCONCLUSIVE, Exposure(0, 0, 0), reason)
    trial = _start(rollout, challenger)
    try:
        await_generation(rollout.operate_url, trial.generation, FOLLOW_SECONDS_MAX)
    except GatewayUnavailable as exc:
        return StageEnd(Decision.INCONCLUSIVE, Exposure(0, 0, 0), str(exc), _end_of(rollout, trial))
    return _watch(rollout, rollout.operate_url, trial, rule)


@task(name="promote", cache_policy=NO_CACHE)
def promote(rollout: Rollout, earned: StageEnd) -> Release | StageEnd:
    """Make the challenger champion and see the gateway follow; else how somebody else ended its trial before."""

    def decide(current: Release | None) -> Release | None:
        if current is None or not _on_trial(current, rollout.model):
            return None
        promoted = promotion_of(
            current, author=AUTHOR, now=datetime.now(UTC), incident_id=rollout.incident_id, note=rollout.note
        )
        return replace(promoted, baseline=rollout.baseline)

    promoted = commit_next(rollout.release_root, decide)
    if promoted is None:
        return _ended_elsewhere(_end_of(rollout, _last_trial(rollout)), earned.exposure)
    _announce_and_follow(rollout, promoted)
    return promoted


@task(name="end trial", cache_policy=NO_CACHE)
def end_trial(rollout: Rollout, end: StageEnd) -> Release:
    """The release without the challenger, written here unless somebody else was first.

    A challenger that did harm becomes an incident, which its leaving heals.
    """
    aborted = abort_trial(
        rollout.release_root,
        rollout.model.digest,
        author=AUTHOR,
        incident_id=rollout.incident_id,
        note=f"{end.decision}: {end.reason}",
    )
    ended = aborted or end.ended_by or _last(rollout)
    announce_release(rollout.ledger_dsn, ended)
    if end.decision is Decision.ABORT and (end.ended_by is None or end.ended_by.author == GUARD):
        _record_bad_candidate(rollout, ended, end)
    return ended


def _start(rollout: Rollout, challenger: Challenger) -> Release:
    """The release with the challenger at its share; the one in the log when a killed controller wrote it."""

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
        )

    written = commit_next(rollout.release_root, decide)
    if written is not None:
        announce_release(rollout.ledger_dsn, written)
    return written or _last(rollout)


def _watch(rollout: Rollout, operate_url: str, trial: Release, rule: StageRule) -> StageEnd:
    began = time.monotonic()
    exposure = Exposure(0, 0, 0)
    while True:
        ended_by = _end_of(rollout, trial)
        if ended_by is not None:
            return _ended_elsewhere(ended_by, exposure)
        exposure = _look(operate_url, rollout.model, exposure, time.monotonic() - began)
        decision, verdict = judge_stage(exposure, rule)
        if decision is not Decision.CONTINUE:
            return StageEnd(decision, exposure, verdict.reason)
        time.sleep(LOOK_SECONDS)


def _ended_elsewhere(ended_by: Release | None, exposure: Exposure) -> StageEnd:
    """An abort is held against the challenger; a rollback that swept it away is not."""
    if ended_by is None:
        return StageEnd(Decision.INCONCLUSIVE, exposure, "its trial is not in the log any more")
    reason = ended_by.note or f"ended by {ended_by.author} ({ended_by.reason})"
    decision = Decision.ABORT if ended_by.reason is Reason.ABORT else Decision.INCONCLUSIVE
    return StageEnd(decision, exposure, reason, ended_by)


def _look(operate_url: str, model: ModelRef, before: Exposure, elapsed_seconds: float) -> Exposure:
    """What the challenger has been through; the last known counts while the gateway does not say."""
    unseen = replace(before, elapsed_seconds=elapsed_seconds)
    try:
        canary = look_at_gateway(operate_url).canary
    except GatewayUnavailable as exc:
        log.warning("trial_out_of_sight", version=model.version, cause=str(exc))
        return unseen
    if canary is None or canary.digest != model.digest:
        return unseen
    return Exposure(
        requests=canary.challenger.requests,
        errors=canary.challenger.errors,
        elapsed_seconds=elapsed_seconds,
        guard=canary.verdict,
        champion_requests=canary.champion.requests,
        champion_errors=canary.champion.errors,
    )


def _end_of(rollout: Rollout, trial: Release) -> Release | None:
    """The first release after `trial` in which the model is not on trial any more; None while it is."""
    releases = ReleaseLog(rollout.release_root)
    later = (releases.read(number) for number in range(trial.generation + 1, releases.latest_generation() + 1))
    return next((release for release in later if not _on_trial(release, rollout.model)), None)


def _last_trial(rollout: Rollout) -> Release:
    """The last release with the model on trial; the current one when there never was any."""
    trials = [release for release in ReleaseLog(rollout.release_root).history() if _on_trial(release, rollout.model)]
    return trials[-1] if trials else _last(rollout)


def _on_trial(release: Release, model: ModelRef) -> bool:
    return release.challenger is not None and release.challenger.model.digest == model.digest


def _last(rollout: Rollout) -> Release:
    current = ReleaseLog(rollout.release_root).current()
    if current is None:
        raise Conflict(
            f"expected releases of {rollout.pipeline}, found an empty log; was {rollout.release_root} moved?"
        )
    return current


def _announce_and_follow(rollout: Rollout, release: Release) -> None:
    announce_release(rollout.ledger_dsn, release)
    if rollout.operate_url is not None:
        await_generation(rollout.operate_url, release.generation, FOLLOW_SECONDS_MAX)


def _record_bad_candidate(rollout: Rollout, ended: Release, end: StageEnd) -> None:
    """One incident a candidate, open and shut: detected by the guard, healed by the abort.

    `heal` may be at it too, woken by the gateway's event: then its attempt stands, and it closes the incident.
    """
    evidence = Evidence(
        pipeline=rollout.pipeline,
        cause=Cause.BAD_CANDIDATE,
        subject=rollout.model.digest,
        observer=ended.author,
        observed_at=ended.created_at,
        summary=f"challenger {rollout.model.version} aborted: {end.reason}",
        facts={"requests": end.exposure.requests, "errors": end.exposure.errors, "generation": ended.generation},
    )
    with Ledger(rollout.ledger_dsn) as ledger:
        incident = ledger.observe(evidence, status=Status.DIAGNOSED)
        if incident.ended:
            return
        try:
            if incident.status is Status.OPEN:
                ledger.set_status(incident.id, Status.DIAGNOSED, "its canary was aborted")
            attempt = ledger.start_attempt(incident.id, Remedy.ABORT_CANARY)
        except Conflict as exc:
            log.info("incident_in_other_hands", incident=incident.id, cause=str(exc))
            return
        ledger.mitigated(incident.id, "the challenger gets no traffic")
        note = f"generation {ended.generation} by {ended.author}"
        ledger.finish_attempt(incident.id, attempt.number, AttemptOutcome.SUCCEEDED, note)
        ledger.set_status(incident.id, Status.RECOVERED, note)
    emit(EventName.INCIDENT_RECOVERED, rollout.pipeline, {**payload_of(evidence), "incident_id": incident.id})
