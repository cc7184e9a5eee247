"""The document at `/health`: whether the service answers, and which model does."""

from typing import Any

from gateway.batching.versions import Version
from gateway.ports.state import GatewayState
from gateway.routing.active_release import ActiveRelease


def health_document(state: GatewayState, *, known_client: bool) -> dict[str, Any]:
    """`state` is `serving`, `degraded` while the champion does not answer itself, or `no_release`.

    A client without the key that predictions need gets the state only.
    """
    active = state.active
    summary = {"state": _service_state(active)}
    if active is None or not known_client:
        return summary
    champion = active.champion
    return {
        **summary,
        "pipeline": state.settings.pipeline,
        "generation": active.release.generation,
        "problems": _problems(state),
        "champion": _model(champion, active),
        "challenger": None if active.challenger is None else _model(active.challenger, active),
    }


def _service_state(active: ActiveRelease | None) -> str:
    if active is None:
        return "no_release"
    return "serving" if active.champion.workers.ready and active.champion.breaker.closed else "degraded"


def asks_for_json(accept: bytes) -> bool:
    """Whether an accept header names JSON; MLflow's probe, which takes anything, gets MLflow's answer."""
    return any(part.split(b";")[0].strip() == b"application/json" for part in accept.lower().split(b","))


def _problems(state: GatewayState) -> list[str]:
    return sorted({problem.code.value for problem in state.problems})


def _model(version: Version, active: ActiveRelease) -> dict[str, Any]:
    manifest = version.manifest
    return {
        "version": version.model.version,
        "digest": version.model.digest,
        "role": active.rung_of(version).value,
        "worker": version.workers.state.value,
        "workers": [worker.state.value for worker in version.workers.all],
        "trained_at": None if manifest is None else manifest.created_at.isoformat(),
        "trained_until": None if manifest is None else manifest.trained_until,
        "flavor": None if manifest is None else manifest.flavor,
        "confidence": _confidence(version),
    }


def _confidence(version: Version) -> float | None:
    """The mean of |2p - 1| over recent answers p; None where the answers are no probabilities."""
    output = None if version.manifest is None else version.manifest.output
    if output is not None and output.kind != "probability":
        return None
    confidence = version.window.lately().confidence
    return confidence if confidence is not None and confidence <= 1 else None
