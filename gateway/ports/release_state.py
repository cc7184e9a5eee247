"""The document at `/release`: the active release, problems, workers, and how requests ended."""

from dataclasses import asdict
from typing import Any

from gateway.batching.versions import Version
from gateway.guards.trial import Arm, ChallengerTrial
from gateway.ports.state import GatewayState, role_of
from gateway.routing.shadow import Shadow
from gateway.workers.worker import Worker
from healing.release import Release
from healing.verdict import Outcome
from releases.document import ReleaseDocument


def release_state(state: GatewayState) -> dict[str, Any]:
    """The document at `/release`."""
    active, desired = state.active, state.desired
    totals, trial = state.requests.totals, state.trial
    return {
        "pipeline": state.settings.pipeline,
        "desired_generation": desired.generation if desired else 0,
        "active_generation": active.release.generation if active else 0,
        "release": ReleaseDocument.of(active.release).model_dump(mode="json") if active else None,
        "problems": [
            {"code": p.code.value, "subject": p.subject, "message": p.message, "since": p.since.isoformat()}
            for p in state.problems
        ],
        "trial": trial and _trial(trial, aborted=trial.challenger.model.digest == state.aborted),
        "shadow": state.shadow and _shadow(state.shadow),
        "workers": [
            _worker(version, number, worker, active.release if active else desired)
            for version in state.versions
            for number, worker in enumerate(version.workers.all, 1)
        ],
        "served": {"good": totals.good, "degraded": totals.degraded, "failed": totals.failed},
        "unlogged_rows": state.log.unlogged,
    }


def _trial(trial: ChallengerTrial, *, aborted: bool) -> dict[str, Any]:
    """Counts since the stage began, evidence of the whole trial; in shadow the arms count scored copies."""
    failed = trial.guard.aborted_by
    return {
        "digest": trial.challenger.model.digest,
        "version": trial.challenger.model.version,
        "mode": trial.challenger.mode.value,
        "weight": trial.challenger.weight,
        "generation": trial.generation,
        "challenger": _arm(trial.arms[True]),
        "champion": _arm(trial.arms[False]),
        "slow_seconds": trial.slowness.limit,
        "verdict": (Outcome.FAIL if aborted else Outcome.INCONCLUSIVE).value,
        "reason": failed and failed.check.value,
        "checks": [asdict(state) for state in trial.guard.states()],
    }


def _arm(arm: Arm) -> dict[str, Any]:
    return {"requests": arm.requests, "errors": arm.errors, "latency_p50_ms": arm.latency_p50_ms}


def _shadow(shadow: Shadow) -> dict[str, Any]:
    """Rows since the active release began; `distance_mean` is the mean |shadow's answer - answer given|."""
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


def _worker(version: Version, number: int, worker: Worker, release: Release | None) -> dict[str, Any]:
    """A worker, which has its `number` among those of its version.

    `breaker`, `keeps_growing` and `lately` are the version's.
    """
    return {
        "digest": version.model.digest,
        "version": version.model.version,
        "role": role_of(version, release),
        "number": number,
        "pid": worker.pid,
        "state": worker.state.value,
        "breaker": "closed" if version.breaker.closed else "open",
        "restarts": worker.restarts,
        "keeps_growing": version.workers.keeps_growing,
        "lately": asdict(version.window.lately()),
    }
