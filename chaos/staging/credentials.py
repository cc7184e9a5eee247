"""Secrets of the active target or of the stack on the home, read at the moment of each use."""

import base64
import json
import os
from pathlib import Path
from urllib.parse import urlsplit

from chaos.staging.target import HTTP_SERVICES, TARGET_VARIABLE, CredentialReference, Target, WrongTarget, active_target

__all__ = ["authorization", "check_credentials", "ledger_password", "target_environment"]

HOME_VARIABLE, KEY_VARIABLE = "AUTOPILOT_HOME", "AUTOPILOT_OPERATE_KEY"
KEY_FILE = "gateway-operate.key"  # in the key directory of a stack whose gateway has keys


def authorization(url: str) -> dict[str, str]:
    """The header that authorises a call of `url`: that of the target's service at the same host and port, if any.

    The gateway of a stack on this machine gets the operate key of that stack, if it has one.
    """
    target = active_target()
    credentials = {} if target is None else target.credentials
    for service in HTTP_SERVICES:
        reference = credentials.get(service)
        if reference is not None and _origin(getattr(target, service)) == _origin(url):
            return {"Authorization": _header(reference)}
    home = Path(os.environ.get(HOME_VARIABLE, "var")) if target is None else target.home
    key = None if home is None else _operate_key(home, url)
    return {} if key is None else {"Authorization": f"Bearer {key}"}


def ledger_password() -> str | None:
    """Password of the active target's ledger; None when it needs none."""
    target = active_target()
    reference = None if target is None else target.credentials.get("ledger")
    return None if reference is None else _secret(reference)


def check_credentials(target: Target) -> None:
    """Read every secret once; WrongTarget names the first that cannot be read."""
    for reference in target.credentials.values():
        _secret(reference)


def target_environment() -> dict[str, str]:
    """What a process with an environment of its own needs to reach the stack: nothing without target, home or key."""
    target = active_target()
    if target is None:
        return {name: os.environ[name] for name in (HOME_VARIABLE, KEY_VARIABLE) if name in os.environ}
    secrets = (reference.env for reference in target.credentials.values() if reference.env)
    return {
        TARGET_VARIABLE: str(Path(os.environ[TARGET_VARIABLE]).absolute()),
        **{name: os.environ[name] for name in secrets if name in os.environ},
    }


def _operate_key(home: Path, url: str) -> str | None:
    """The operate key of the stack on `home`; None if it has none, or if `url` is not an address of its gateway."""
    try:
        addresses = json.loads((home / "addresses.json").read_bytes())
        if _origin(url) not in [_origin(addresses[name]) for name in ("gateway", "operate") if name in addresses]:
            return None
        return os.environ.get(KEY_VARIABLE) or (home / "keys" / KEY_FILE).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None


def _header(reference: CredentialReference) -> str:
    secret = _secret(reference)
    return f"Bearer {secret}" if reference.scheme == "bearer" else f"Basic {base64.b64encode(secret.encode()).decode()}"


def _secret(reference: CredentialReference) -> str:
    if reference.env:
        found = os.environ.get(reference.env, "")
        if not found:
            raise WrongTarget(f"expected a secret in the environment variable {reference.env}, found none")
        return found
    assert reference.file is not None
    try:
        return reference.file.read_text(encoding="utf-8").strip()
    except OSError as exc:
        raise WrongTarget(f"expected a secret in the file {reference.file}, found {exc.strerror}") from exc


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port
