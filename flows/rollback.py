"""Rolling back: an earlier model that answers as it should is champion again, and the gateway is seen to follow."""

from collections.abc import Collection

import structlog
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, ConfigDict

from healing.errors import GatewayUnavailable
from healing.incident import Cause
from healing.release import Release
from healing.verdict import Outcome
from releases.signing import ensure_keys
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import Settings, load_settings
from tasks.rollout.announce import announce_release
from tasks.rollout.republish_events import finish_telling
from tasks.rollout.rollback import NothingToRollBackTo, probe_surely, roll_back
from tasks.runtime import crash_points as points
from tasks.serving.gateway_client import GatewayState, await_gateway, read_gateway

log = structlog.get_logger(__name__)

AUTHOR = "rollback"
FOLLOW_SECONDS_MAX = 20.0  # the gateway looks five times a second; loading a cold model takes it a few seconds
UNFIT = frozenset({Cause.MODEL_CORRUPT, Cause.MODEL_FAILING})  # problems with which a model is no champion
CHAMPIONS_TRIED_MAX = 3  # a third model that fails live says that the fault is not in the models


class RollbackOutcome(BaseModel):
    """The release that serves now.

    `verified` is PASS when the gateway was seen to serve it and gave its golden answers, INCONCLUSIVE when there is no
    gateway to ask, FAIL when it answered otherwise and there is no other model to go to.
    """

    model_config = ConfigDict(frozen=True)

    pipeline: str
    generation: int
    champion: str
    version: str
    verified: Outcome
    note: str


@flow(name="rollback")
def rollback(
    pipeline: str,
    to: str | None = None,
    reason: str = "",
    incident_id: str | None = None,
    unfence_by: str | None = None,
    away_from: str | None = None,
) -> RollbackOutcome:
    """Make an earlier champion serve again: the one called `to` (version or digest), else the last that is good.

    The present champion is fenced; `unfence_by` names the person who lifts the fence of `to`. With `away_from` (a
    digest) it is safe to run again: nothing is written once another model is champion, and what a killed run left
    untold is told.
    """
    settings = load_settings()
    load_pipeline(pipeline, settings.pipelines_dir)
    _, outcome = serve_earlier_model(
        settings,
        pipeline,
        author=AUTHOR,
        to=to,
        away_from=away_from,
        reason=reason,
        incident_id=incident_id,
        unfence_by=unfence_by,
    )
    finish_telling(settings, pipeline)
    return outcome


def serve_earlier_model(
    settings: Settings,
    pipeline: str,
    *,
    author: str,
    to: str | None = None,
    away_from: str | None = None,
    reason: str = "",
    incident_id: str | None = None,
    unfence_by: str | None = None,
) -> tuple[Release, RollbackOutcome]:
    """Roll back until the gateway is seen to serve a model that answers rightly, at most CHAMPIONS_TRIED_MAX times.

    A model that fails live is left for the next candidate; the last one stays where there is no further, since a
    champion beside the ladder is better than none. With `away_from`, at most once.
    """
    broken = _troubled_models(settings.addresses().operate)
    release = write_rollback(
        settings,
        pipeline,
        author=author,
        to=to,
        away_from=away_from,
        broken=broken,
        reason=reason,
        incident_id=incident_id,
        unfence_by=unfence_by,
    )
    seen = verify_rollback(settings, release)
    for _ in range(CHAMPIONS_TRIED_MAX - 1):
        if seen.verified is not Outcome.FAIL:
            break
        broken |= {release.champion.digest}
        try:
            release = write_rollback(
                settings,
                pipeline,
                author=author,
                away_from=release.champion.digest,
                broken=broken,
                reason=f"{release.champion.version} was gone back to and failed: {seen.note}",
                incident_id=incident_id,
            )
        except NothingToRollBackTo as exc:
            return release, seen.model_copy(update={"note": f"{seen.note}; {exc}"})
        seen = verify_rollback(settings, release)
    points.reached("rollback.verified", generation=release.generation)
    return release, seen


@task(name="write rollback", cache_policy=NO_CACHE)
def write_rollback(
    settings: Settings,
    pipeline: str,
    *,
    author: str,
    to: str | None = None,
    away_from: str | None = None,
    broken: Collection[str] = (),
    reason: str = "",
    incident_id: str | None = None,
    unfence_by: str | None = None,
) -> Release:
    """Commit the rollback, past the `broken` models, and announce it; with `away_from`, at most once."""
    release = roll_back(
        settings.release_root(pipeline),
        ensure_keys(settings.keys_dir).public,
        author=author,
        predict_url=settings.addresses().gateway,
        to=to,
        away_from=away_from,
        broken=broken,
        incident_id=incident_id,
        note=reason,
        unfenced_by=unfence_by,
    )
    announce_release(settings.ledger_dsn, release)
    points.reached("rollback.announced", generation=release.generation)
    return release


@task(name="verify rollback", cache_policy=NO_CACHE)
def verify_rollback(settings: Settings, release: Release) -> RollbackOutcome:
    """See the gateway follow, and the model give its golden answers there.

    GatewayUnavailable when it does not follow and has nothing against the model.
    """
    addresses, digest = settings.addresses(), release.champion.digest
    verified, note = Outcome.INCONCLUSIVE, "no gateway is running; the next one to start serves this release"
    if addresses.operate is not None:
        state = await_gateway(
            addresses.operate,
            lambda state: state.active_generation >= release.generation or _is_corrupt(state, digest),
            f"generation {release.generation} to serve",
            FOLLOW_SECONDS_MAX,
        )
        verified, note = Outcome.PASS, f"generation {state.active_generation} serves"
        wrong = [problem.message for problem in state.problems_of(digest) if problem.code in UNFIT]
        if wrong:
            verified, note = Outcome.FAIL, wrong[0]
        elif addresses.gateway is not None:
            probe = probe_surely(addresses.gateway, settings.release_root(release.pipeline), digest)
            verified, note = probe.outcome, f"{note}; probe: {probe.reason}"
    return RollbackOutcome(
        pipeline=release.pipeline,
        generation=release.generation,
        champion=digest,
        version=release.champion.version,
        verified=verified,
        note=note,
    )


def _is_corrupt(state: GatewayState, digest: str) -> bool:
    """Whether the gateway says of the model that it will never serve it."""
    return any(problem.code is Cause.MODEL_CORRUPT for problem in state.problems_of(digest))


def _troubled_models(operate_url: str | None) -> frozenset[str]:
    """Digests that the gateway has trouble with; none when it cannot be asked, for a rollback must not wait for it."""
    if operate_url is None:
        return frozenset()
    try:
        problems = read_gateway(operate_url).problems
        return frozenset(problem.subject for problem in problems if problem.code in (*UNFIT, Cause.MODEL_SLOW))
    except GatewayUnavailable as exc:
        log.warning("rollback_without_gateway", cause=str(exc))
        return frozenset()
