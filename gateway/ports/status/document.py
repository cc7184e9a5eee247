"""The document at `/status`: what the page shows, read from the gateway's own state and from two places on disk."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.ports.release_state import release_state
from gateway.ports.state import GatewayState
from gateway.ports.status.disk import ReleaseHistory, read_control_plane


def live_document(state: GatewayState) -> dict[str, Any]:
    """What only the event loop may read. A part that cannot be read is an `error`; the others are unharmed."""
    return {
        "pipeline": state.settings.pipeline,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "serving": guarded(lambda: release_state(state)),
        "models": guarded(lambda: _models(state)),
        "loops": guarded(lambda: [each.name for each in state.loop_states if each.error]),
    }


def disk_document(state: GatewayState, history: ReleaseHistory) -> dict[str, Any]:
    """What is on disk; run it in a thread, because a disk may hang."""
    return {
        "releases": guarded(history.newest),
        "control_plane": guarded(lambda: read_control_plane(state.settings.control_plane_file)),
    }


def guarded(read: Callable[[], Any]) -> Any:
    """What `read` returns, or an object with its `error`."""
    try:
        return read()
    except Exception as exc:  # noqa: BLE001  one bad value must not take the page away
        return {"error": f"{type(exc).__name__}: {exc}"}


def _models(state: GatewayState) -> Mapping[str, Any]:
    """When each loaded model was trained, by digest."""
    return {
        version.model.digest: {
            "trained_at": version.manifest.created_at.isoformat(),
            "trained_until": version.manifest.trained_until,
            "flavor": version.manifest.flavor,
            "metrics": dict(version.manifest.reference.metrics),
        }
        for version in state.versions
        if version.manifest is not None
    }
