"""Reads the public keys of an OpenID Connect issuer, again and again, in a thread beside the requests.

No request waits for the issuer. While it is away, the keys that were read before stay in use, and a gateway that has
none yet refuses every token.
"""

import ssl
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog

from gateway.ports.tokens import TokenVerifier
from gateway.settings import GatewaySettings, is_loopback
from gateway.workers.store_calls import StoreCalls
from healing.errors import ConfigError, StoreUnavailable

_log = structlog.get_logger(__name__)
_REFRESH_SECONDS = 300.0
_MISSING_SECONDS = 10.0  # between two reads for tokens that name an unknown key, which anybody can send
_READ_SECONDS_MAX = 5.0
_BYTES_MAX = 1 << 20
DISCOVERY = "/.well-known/openid-configuration"  # OpenID Connect Discovery 1.0


class IssuerKeys:
    """Gives the issuer's keys to a verifier: from a file, from an address, or from where the issuer says they are."""

    name = "issuer_keys"
    failures_tolerated = 15  # looks, so that one read in between has failed again

    def __init__(self, settings: GatewaySettings, verifier: TokenVerifier) -> None:
        self._place, self._verifier = settings.oidc_keys, verifier
        self._read_at: float | None = None
        self._failure: StoreUnavailable | None = None
        self._call: Callable[..., Awaitable[bytes]] = partial(StoreCalls(calls_max=1).run, _READ_SECONDS_MAX)
        if self._place is None or "://" in self._place:
            _demand_https(self._place or verifier.rules.issuer)

    async def look(self) -> None:
        """Read the keys if that is due; StoreUnavailable, with the old keys in use, if they cannot be read or used."""
        if not self._is_due():
            if self._failure is not None:
                raise self._failure
            return
        self._read_at = time.monotonic()
        try:
            count = self._verifier.adopt(await self._call(self._read))
        except Exception as exc:
            self._failure = StoreUnavailable(f"expected the keys of {self._verifier.rules.issuer}, found {exc!r}")
            raise self._failure from exc
        self._failure = None
        _log.info("issuer_keys_read", issuer=self._verifier.rules.issuer, keys=count)

    def _is_due(self) -> bool:
        if self._read_at is None:
            return True
        is_urgent = self._verifier.wants_keys or self._failure is not None
        return time.monotonic() - self._read_at >= (_MISSING_SECONDS if is_urgent else _REFRESH_SECONDS)

    def _read(self) -> bytes:
        """The JWK set; takes as long as its disk, or the issuer, needs."""
        if self._place is not None and "://" not in self._place:
            return Path(self._place).read_bytes()
        if self._place is not None:
            return _get(self._place)
        import orjson

        found: Any = orjson.loads(_get(f"{self._verifier.rules.issuer.rstrip('/')}{DISCOVERY}"))
        address = found.get("jwks_uri") if isinstance(found, dict) else None
        if not isinstance(address, str) or found.get("issuer") != self._verifier.rules.issuer:
            raise ConfigError("expected `jwks_uri` and the same `issuer` in the issuer's configuration, found others")
        _demand_https(address)
        return _get(address)


def _demand_https(address: str) -> None:
    """ConfigError for an address whose answers another machine could forge."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and (host == "localhost" or _is_local(host))):
        raise ConfigError(f"expected an https:// address of the issuer, found {parts.scheme or 'none'}://{host}")


def _is_local(host: str) -> bool:
    try:
        return is_loopback(host)
    except ValueError:
        return False


def _get(address: str) -> bytes:
    """The body; no redirect is followed, and neither a slow nor a large answer is waited for."""
    import httpx

    host, deadline, body = urlsplit(address).hostname, time.monotonic() + _READ_SECONDS_MAX, b""
    trusted = ssl.create_default_context()  # SSL_CERT_FILE names another authority
    with (
        httpx.Client(timeout=_READ_SECONDS_MAX, trust_env=False, verify=trusted) as client,
        client.stream("GET", address) as response,
    ):
        if response.status_code != httpx.codes.OK:
            raise ConfigError(f"expected status 200 from {host}, found {response.status_code}")
        for part in response.iter_bytes():
            body += part
            if len(body) > _BYTES_MAX or time.monotonic() > deadline:
                raise ConfigError(f"expected at most {_BYTES_MAX} bytes within {_READ_SECONDS_MAX:g} s from {host}")
    return body
