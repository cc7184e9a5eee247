"""Which certificate authorities the control plane trusts when it calls the gateway."""

import os
import ssl
from functools import cache

from healing.errors import ConfigError

CA_VARIABLE = "AUTOPILOT_CA_FILE"


def trusted() -> ssl.SSLContext | bool:
    """The authorities in the file that `AUTOPILOT_CA_FILE` names, as httpx takes them; without it the public ones."""
    path = os.environ.get(CA_VARIABLE)
    return _authorities(path) if path else True


@cache
def _authorities(path: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as exc:
        raise ConfigError(f"{CA_VARIABLE}: expected a PEM file with certificates, found {path!r}: {exc}") from exc
