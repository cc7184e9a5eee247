"""The key with which a stack's control plane operates its own gateway, if that gateway has keys."""

import contextlib
import os
import secrets
from pathlib import Path

from releases.files import create_exclusively
from tasks.config.settings import GATEWAY_KEY_FILE

KEY_VARIABLE = "AUTOPILOT_OPERATE_KEY"
_ACCEPTED_VARIABLE = "AUTOPILOT_GATEWAY_OPERATE_KEYS"
_GATEWAY_VARIABLES = (
    "AUTOPILOT_GATEWAY_KEYS_FILE",
    "AUTOPILOT_GATEWAY_OIDC_ISSUER",
    "AUTOPILOT_GATEWAY_PREDICT_KEYS",
    "AUTOPILOT_GATEWAY_FEEDBACK_KEYS",
    _ACCEPTED_VARIABLE,
)


def ensure_gateway_key(keys_dir: Path) -> None:
    """Create the key on first use, readable by its owner alone, unless the environment has one or none is needed."""
    if _is_needed() and KEY_VARIABLE not in os.environ:
        with contextlib.suppress(FileExistsError):
            create_exclusively(keys_dir / GATEWAY_KEY_FILE, secrets.token_urlsafe(32).encode(), mode=0o600)


def gateway_key_environment(keys_dir: Path) -> dict[str, str]:
    """What makes the gateway accept the key of the control plane beside its other keys; nothing without keys."""
    if not _is_needed():
        return {}
    key = os.environ.get(KEY_VARIABLE) or (keys_dir / GATEWAY_KEY_FILE).read_text(encoding="ascii").strip()
    return {_ACCEPTED_VARIABLE: f"{os.environ.get(_ACCEPTED_VARIABLE, '')} {key}".strip()}


def _is_needed() -> bool:
    return any(os.environ.get(name) for name in _GATEWAY_VARIABLES)
