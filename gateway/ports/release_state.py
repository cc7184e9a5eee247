"""What serves, what is wrong and how requests ended, as one document for people, `heal` and drills."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gateway.guards.trial import Arm, Trial
from gateway.shadow import Shadow
from gateway.versions import Version
from healing.release import Challenger, Release
from healing.trial_rules import Check, CheckState
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
        "trial": _trial(gateway),
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


def _trial(gateway: "Gateway") -> dict[str, Any] | None:
    trial, shadow = gateway.ladder.trial, gateway.predict.shadow
    if trial is not None:
        test, condemned = trial.test, gateway.ladder.condemned == trial.challenger.model.digest
        outcome = Outcome.FAIL if condemned else Outcome.INCONCLUSIVE
        seen = test.errors_challenger + test.errors_champion
        errors = CheckState(
            Check.ERRORS, outcome, test.log_e, test.threshold_log_e, seen, votes=True, reason=trial.evidence()
        )
        arms = {"challenger": _arm(trial.arms[True]), "champion": _arm(trial.arms[False])}
        return _told(trial.challenger, trial.generation, condemned, arms, [errors])
    if shadow is not None:
        counts = shadow.counts
        copies = {"requests": counts.scored + counts.failed, "errors": counts.failed, "latency_p50_ms": None}
        given = {"requests": 0, "errors": 0, "latency_p50_ms": None}
        return _told(shadow.trial, shadow.generation, False, {"challenger": copies, "champion": given}, [])
    return None


def _told(
    challenger: Challenger, generation: int, condemned: bool, arms: dict[str, Any], checks: list[CheckState]
) -> dict[str, Any]:
    return {
        "digest": challenger.model.digest,
        "version": challenger.model.version,
        "mode": challenger.mode.value,
        "weight": challenger.weight,
        "generation": generation,
        **arms,
        "slow_seconds": None,
        "verdict": (Outcome.FAIL if condemned else Outcome.INCONCLUSIVE).value,
        "reason": next((state.check for state in checks if state.outcome is Outcome.FAIL), None),
        "checks": [asdict(state) for state in checks],
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
