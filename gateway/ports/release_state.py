"""What serves, what is wrong and how requests ended, as one document for people, `heal` and drills."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gateway.guards.trial import Arm, Trial
from gateway.shadow import Shadow
from gateway.versions import Version
from healing.release import Release
from healing.verdict import Outcome
from releases.document import ReleaseDocument

if TYPE_CHECKING:
    from gateway.service import Gateway


def release_state(gateway: "Gateway") -> dict[str, Any]:
    """The document at `/release`."""
    serving, desired = gateway.ladder.serving, gateway.watch.desired
    served = gateway.predict.served
    return {
        "pipeline": gateway.settings.pipeline,
        "desired_generation": desired.generation if desired else 0,
        "active_generation": serving.release.generation if serving else 0,
        "release": ReleaseDocument.of(serving.release).model_dump(mode="json") if serving else None,
        "problems": [
            {"code": p.code.value, "subject": p.subject, "message": p.message, "since": p.since.isoformat()}
            for p in gateway.problems.current()
        ],
        "canary": gateway.ladder.trial and _canary(gateway.ladder.trial, condemned=gateway.ladder.condemned),
        "shadow": gateway.predict.shadow and _shadow(gateway.predict.shadow),
        "workers": [_worker(version, serving.release if serving else desired) for version in gateway.pool.all()],
        "served": {"good": served.good, "degraded": served.degraded, "failed": served.failed},
        "unlogged_rows": gateway.log.unlogged,
    }


def _canary(trial: Trial, *, condemned: str | None) -> dict[str, Any]:
    challenger, champion = trial.arms[True], trial.arms[False]
    failed = trial.challenger.model.digest == condemned
    return {
        "digest": trial.challenger.model.digest,
        "mode": trial.challenger.mode.value,
        "weight": trial.challenger.weight,
        "generation": trial.generation,
        "challenger": _counts(challenger),
        "champion": _counts(champion),
        "log_e": trial.test.log_e,
        "threshold_log_e": trial.test.threshold_log_e,
        "verdict": (Outcome.FAIL if failed else Outcome.INCONCLUSIVE).value,
        "latency_ms": {"challenger_p50": challenger.latency_p50_ms, "champion_p50": champion.latency_p50_ms},
    }


def _shadow(shadow: Shadow) -> dict[str, Any]:
    """Rows, since the release on duty began; `distance_mean` is the mean |shadow's answer - answer given|."""
    counts = shadow.counts
    return {
        "digest": shadow.version.model.digest,
        "generation": shadow.generation,
        "copied": counts.copied,
        "scored": counts.scored,
        "failed": counts.failed,
        "dropped": counts.dropped,
        "distance_mean": counts.distance_mean,
    }


def _counts(arm: Arm) -> dict[str, int]:
    return {"requests": arm.requests, "errors": arm.errors}


def _worker(version: Version, release: Release | None) -> dict[str, Any]:
    return {
        "digest": version.model.digest,
        "version": version.model.version,
        "role": role_of(version, release),
        "pid": version.worker.pid,
        "state": version.worker.state.value,
        "breaker": "closed" if version.breaker.closed else "open",
        "restarts": version.worker.restarts,
        "lately": asdict(version.window.lately()),
    }


def role_of(version: Version, release: Release | None) -> str:
    """The part a version plays in the release on duty; `next` while it loads for the one that follows."""
    digest = version.model.digest
    if release is not None:
        if digest == release.champion.digest:
            return "champion"
        if release.challenger is not None and digest == release.challenger.model.digest:
            return "challenger"
        if digest in {model.digest for model in release.fallbacks}:
            return "fallback"
    return "next"
