"""Which certificate authorities a drill trusts when it calls a gateway."""

import os
import ssl
from functools import cache

__all__ = ["CA_VARIABLE", "tls_context"]

CA_VARIABLE = "AUTOPILOT_CA_FILE"


def tls_context() -> ssl.SSLContext:
    """The authorities in the file that `AUTOPILOT_CA_FILE` names; without it those of the system."""
    return _context(os.environ.get(CA_VARIABLE))


@cache
def _context(path: str | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=path)
