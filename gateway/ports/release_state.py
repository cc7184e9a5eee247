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
    served, trial = gateway.predict.served, gateway.ladder.trial
    return {
        "pipeline": gateway.settings.pipeline,
        "desired_generation": desired.generation if desired else 0,
        "active_generation": serving.release.generation if serving else 0,
        "release": ReleaseDocument.of(serving.release).model_dump(mode="json") if serving else None,
        "problems": [
            {"code": p.code.value, "subject": p.subject, "message": p.message, "since": p.since.isoformat()}
            for p in gateway.problems.current()
        ],
        "trial": trial and _trial(trial, condemned=trial.challenger.model.digest == gateway.ladder.condemned),
        "shadow": gateway.predict.shadow and _shadow(gateway.predict.shadow),
        "workers": [_worker(version, serving.release if serving else desired) for version in gateway.pool.all()],
        "served": {"good": served.good, "degraded": served.degraded, "failed": served.failed},
        "unlogged_rows": gateway.log.unlogged,
    }


def _trial(trial: Trial, *, condemned: bool) -> dict[str, Any]:
    """Counts since the stage began, evidence of the whole trial; in shadow the arms count scored copies."""
    alarm = trial.guard.alarm()
    return {
        "digest": trial.challenger.model.digest,
        "version": trial.challenger.model.version,
        "mode": trial.challenger.mode.value,
        "weight": trial.challenger.weight,
        "generation": trial.generation,
        "challenger": _arm(trial.arms[True]),
        "champion": _arm(trial.arms[False]),
        "slow_seconds": trial.slowness.limit,
        "verdict": (Outcome.FAIL if condemned else Outcome.INCONCLUSIVE).value,
        "reason": alarm and alarm.check.value,
        "checks": [asdict(state) for state in trial.guard.states()],
    }


def _arm(arm: Arm) -> dict[str, Any]:
    return {"requests": arm.requests, "errors": arm.errors, "latency_p50_ms": arm.latency_p50_ms}


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
