"""A fenced model is refused before anything is tried: who banned it, when, why, and how a person lifts that."""

from healing.fence import check_unfenced
from healing.promotion import Exposure
from healing.release import Reason, Release
from releases.log import ReleaseLog
from tasks.rollout.bad_candidate import record_bad_candidate
from tasks.rollout.trial import AUTHOR, GUARD, Rollout


def refuse_fenced(rollout: Rollout, current: Release) -> None:
    """IllegalTransition for a fenced model, unless a person answers for it.

    A controller that was killed between the fence and the incident has left the incident to be written: it is now.
    """
    fence = current.fence_of(rollout.model.digest)
    if fence is None or rollout.unfence_by is not None:
        return
    history = ReleaseLog(rollout.release_root).history()
    raised = next(release for release in history if release.fence_of(fence.digest) == fence)
    if raised.reason is Reason.ABORT and raised.author in (AUTHOR, GUARD):
        record_bad_candidate(rollout.ledger_dsn, raised, rollout.model, fence.why, Exposure(0, 0, 0))
    check_unfenced(current.fenced, (fence.digest,))
