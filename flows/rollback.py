"""The `rollback` flow: an earlier model that answers rightly becomes champion again."""

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from tasks.config.pipeline import load_pipeline
from tasks.config.settings import load_settings
from tasks.rollout.release_events import republish_events
from tasks.rollout.rollback import RollbackOrder, RollbackOutcome, serve_earlier_model
from tasks.runtime.traces import observed, observed_task

AUTHOR = "rollback"

# The healer calls the same function without Prefect, which may be down.
_roll_back = task(name="serve earlier model", cache_policy=NO_CACHE, persist_result=False)(
    observed_task(serve_earlier_model)
)


@flow(name="rollback")
@observed
def rollback(
    pipeline: str,
    to: str | None = None,
    reason: str = "",
    incident_id: str | None = None,
    unfence_by: str | None = None,
    away_from: str | None = None,
) -> RollbackOutcome:
    """Make an earlier champion serve again: the one named `to` (version or digest), else the last good one.

    The current champion is fenced; `unfence_by` names the person who lifts the fence of `to`. With `away_from` (a
    digest) the flow is safe to run again: it writes nothing once another model is champion, and sends the
    notifications that a killed run did not send.
    """
    settings = load_settings()
    load_pipeline(pipeline, settings.pipelines_dir)
    order = RollbackOrder(
        pipeline=pipeline,
        author=AUTHOR,
        to=to,
        away_from=away_from,
        reason=reason,
        incident_id=incident_id,
        unfence_by=unfence_by,
    )
    _, outcome = _roll_back(settings, order)
    republish_events(settings, pipeline)
    return outcome
