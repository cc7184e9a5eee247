"""A model's trial in the release log: it is put on trial, promoted, or taken off again."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog
from prefect import task
from prefect.cache_policies import NO_CACHE

from healing.errors import Conflict
from healing.promotion import Decision, Exposure
from healing.release import Challenger, ModelRef, Reason, Release
from healing.trial_rules import Check
from releases.log import promotion_of, trial_of
from tasks.rollout.announce import announce_release
from tasks.rollout.bad_candidate import record_bad_candidate
from tasks.rollout.rollout import abort_trial, commit_next
from tasks.rollout.rollout_journal import RolloutJournal
from tasks.rollout.trial_history import current_release, end_of_trial, last_trial, on_trial
from tasks.runtime import crash_points as points
from tasks.serving.gateway_client import await_generation

log = structlog.get_logger(__name__)

AUTHOR = "release"
GUARD = "gateway"  # author of the aborts that the gateway writes itself
FOLLOW_SECONDS_MAX = 30.0  # a new version starts a worker process, which imports, loads and checks the model


@dataclass(frozen=True, slots=True)
class Rollout:
    """One model on its way to traffic, and where its way is recorded.

    `approved_by` is a person who approved in advance, `unfence_by` one who answers for a model that is fenced.
    """

    pipeline: str
    model: ModelRef
    baseline: float
    release_root: Path
    ledger_dsn: str = field(repr=False)
    operate_url: str | None
    incident_id: str | None = None
    note: str = ""
    approved_by: str | None = None
    unfence_by: str | None = None

    @property
    def journal(self) -> RolloutJournal:
        return RolloutJournal(self.ledger_dsn, self.pipeline, self.model.digest)


@dataclass(frozen=True, slots=True)
class StageEnd:
    """How a stage ended, and its trial with it unless the decision is to promote.

    `check` condemned the challenger; `timed_out`: nothing decided by deadline and hold; `ended_by` is the release in
    which somebody else ended the trial.
    """

    decision: Decision
    exposure: Exposure
    reason: str
    check: Check | None = None
    timed_out: bool = False
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
    announce_and_follow(rollout, first)
    return first


def put_on_trial(rollout: Rollout, challenger: Challenger) -> Release:
    """The release with the challenger at its share; the one in the log when a killed controller wrote it.

    IllegalTransition when the model is fenced and nobody answers for it.
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

    written = commit_next(rollout.release_root, decide)
    if written is not None:
        announce_release(rollout.ledger_dsn, written)
    return written or current_release(rollout.release_root)


@task(name="promote", cache_policy=NO_CACHE)
def promote(rollout: Rollout, earned: StageEnd) -> Release | StageEnd:
    """Make the challenger champion and see the gateway follow; else how somebody else ended its trial before."""

    def decide(current: Release | None) -> Release | None:
        if current is None or not on_trial(current, rollout.model):
            return None
        promoted = promotion_of(
            current, author=AUTHOR, now=datetime.now(UTC), incident_id=rollout.incident_id, note=rollout.note
        )
        return replace(promoted, baseline=rollout.baseline)

    points.reached("release.promoting", digest=rollout.model.digest)
    promoted = commit_next(rollout.release_root, decide)
    if promoted is None:
        trial = last_trial(rollout.release_root, rollout.model)
        return ended_elsewhere(end_of_trial(rollout.release_root, trial, rollout.model), earned.exposure)
    points.reached("release.promoted", digest=rollout.model.digest)
    announce_and_follow(rollout, promoted)
    return promoted


@task(name="end trial", cache_policy=NO_CACHE)
def end_trial(rollout: Rollout, end: StageEnd) -> Release:
    """The release without the challenger, written here unless somebody else was first.

    A challenger that did harm is fenced, and becomes an incident, which its leaving heals.
    """
    points.reached("release.aborting", digest=rollout.model.digest)
    aborted = abort_trial(
        rollout.release_root,
        rollout.model.digest,
        author=AUTHOR,
        incident_id=rollout.incident_id,
        note=end.reason,
        condemned=end.check is not None,
    )
    points.reached("release.aborted", digest=rollout.model.digest)
    ended = aborted or end.ended_by or current_release(rollout.release_root)
    announce_release(rollout.ledger_dsn, ended)
    if end.decision is Decision.ABORT and (end.ended_by is None or end.ended_by.author == GUARD):
        record_bad_candidate(rollout.ledger_dsn, ended, rollout.model, end.reason, end.exposure)
    return ended


def ended_elsewhere(ended_by: Release | None, exposure: Exposure) -> StageEnd:
    """An abort is held against the challenger; a rollback that swept it away is not."""
    if ended_by is None:
        return StageEnd(Decision.INCONCLUSIVE, exposure, "its trial is not in the log any more")
    reason = ended_by.note or f"ended by {ended_by.author} ({ended_by.reason})"
    decision = Decision.ABORT if ended_by.reason is Reason.ABORT else Decision.INCONCLUSIVE
    return StageEnd(decision, exposure, reason, ended_by=ended_by)


def announce_and_follow(rollout: Rollout, release: Release) -> None:
    """Tell of a release, and see the gateway on it."""
    announce_release(rollout.ledger_dsn, release)
    points.reached("release.announced", generation=release.generation)
    if rollout.operate_url is not None:
        await_generation(rollout.operate_url, release.generation, FOLLOW_SECONDS_MAX)
