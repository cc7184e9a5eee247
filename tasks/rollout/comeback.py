"""An earlier champion that served well lately comes back in one append, without stages: it has had its trial."""

from datetime import UTC, datetime, timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE

from healing.release import Release
from healing.remedy import served_well
from releases.log import ReleaseLog, return_of
from tasks.rollout.rollout import commit_next
from tasks.rollout.trial import AUTHOR, Rollout, announce_and_follow
from tasks.runtime import crash_points as points


@task(name="bring back", cache_policy=NO_CACHE)
def bring_back(rollout: Rollout, window_days: float) -> Release | None:
    """The release with the earlier champion, seen to serve; None when it has to go through the stages."""
    releases = ReleaseLog(rollout.release_root)

    def decide(current: Release | None) -> Release | None:
        now = datetime.now(UTC)
        if current is None or current.challenger is not None:
            return None
        left = served_well(releases.history()).get(rollout.model.digest)
        if left is None or left < now - timedelta(days=window_days):
            return None
        note = rollout.note or "it served well lately"
        return return_of(
            current,
            rollout.model,
            rollout.baseline,
            author=AUTHOR,
            now=now,
            incident_id=rollout.incident_id,
            note=note,
        )

    returned = commit_next(rollout.release_root, decide)
    if returned is not None:
        points.reached("release.promoted", digest=rollout.model.digest)
        announce_and_follow(rollout, returned)
    return returned
