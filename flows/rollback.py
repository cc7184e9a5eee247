"""Rolling back: an earlier, whole model is champion again, and the gateway is seen to follow."""

import structlog
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, ConfigDict

from healing.errors import GatewayUnavailable
from healing.release import Release
from healing.verdict import Outcome
from releases.signing import ensure_keys
from releases.store import ModelStore
from tasks.config.pipeline import load_pipeline
from tasks.releasing.announce import announce_release, mirror_release
from tasks.releasing.rollout import roll_back
from tasks.releasing.traffic import await_generation, probe_model, read_gateway
from tasks.settings import Settings, load_settings

log = structlog.get_logger(__name__)

FOLLOW_SECONDS_MAX = 20.0  # the gateway looks five times a second; loading a cold model takes it a few seconds


class RollbackOutcome(BaseModel):
    """The release that serves now.

    `verified` is PASS when the gateway was seen to serve it and gave its golden answers, INCONCLUSIVE when there is no
    gateway to ask, FAIL when it answered otherwise.
    """

    model_config = ConfigDict(frozen=True)

    pipeline: str
    generation: int
    champion: str
    version: str
    verified: Outcome
    note: str


@flow(name="rollback")
def rollback(pipeline: str, to: str | None = None, reason: str = "", incident_id: str | None = None) -> RollbackOutcome:
    """Make an earlier champion serve again: the one called `to` (version or digest), else the last that is whole."""
    settings = load_settings()
    load_pipeline(pipeline, settings.pipelines_dir)
    release = write_rollback(settings, pipeline, to=to, reason=reason, incident_id=incident_id, author="rollback")
    outcome = verify_rollback(settings, release)
    announce_release(settings.ledger_dsn, release)
    mirror_release(settings.tracking_uri, release, settings.release_root(pipeline))
    return outcome


@task(name="write rollback", cache_policy=NO_CACHE)
def write_rollback(
    settings: Settings,
    pipeline: str,
    *,
    author: str,
    to: str | None = None,
    away_from: str | None = None,
    reason: str = "",
    incident_id: str | None = None,
) -> Release:
    """Commit the rollback, past the models that the gateway has trouble with; with `away_from`, at most once."""
    return roll_back(
        settings.release_root(pipeline),
        ensure_keys(settings.keys_dir).public,
        author=author,
        to=to,
        away_from=away_from,
        broken=_troubled_models(settings.addresses().operate),
        incident_id=incident_id,
        note=reason,
    )


@task(name="verify rollback", cache_policy=NO_CACHE)
def verify_rollback(settings: Settings, release: Release) -> RollbackOutcome:
    """See the gateway follow and give the model's golden answers. GatewayUnavailable when it does not follow."""
    addresses = settings.addresses()
    verified, note = Outcome.INCONCLUSIVE, "no gateway is running; the next one to start serves this release"
    if addresses.operate is not None:
        state = await_generation(addresses.operate, release.generation, FOLLOW_SECONDS_MAX)
        verified, note = Outcome.PASS, f"generation {state.active_generation} serves"
        if state.problems_of(release.champion.digest):
            verified, note = Outcome.FAIL, state.problems_of(release.champion.digest)[0].message
        elif addresses.gateway is not None:
            manifest = ModelStore(settings.release_root(release.pipeline)).manifest(release.champion.digest)
            probe = probe_model(addresses.gateway, release.champion.digest, manifest)
            verified, note = probe.outcome, f"{note}; probe: {probe.reason}"
    return RollbackOutcome(
        pipeline=release.pipeline,
        generation=release.generation,
        champion=release.champion.digest,
        version=release.champion.version,
        verified=verified,
        note=note,
    )


def _troubled_models(operate_url: str | None) -> frozenset[str]:
    """Digests that the gateway has trouble with; none when it cannot be asked, for a rollback must not wait for it."""
    if operate_url is None:
        return frozenset()
    try:
        return frozenset(problem.subject for problem in read_gateway(operate_url).problems)
    except GatewayUnavailable as exc:
        log.warning("rollback_without_gateway", cause=str(exc))
        return frozenset()
