"""TLS of the gateway's ports: a certificate and its key, read again when the files change.

The context that a server holds stays the same. It asks for the current one at each handshake, so a new certificate is
used from the next connection on, and a file that cannot be loaded changes nothing.
"""

import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Literal, Self

import structlog

from gateway.settings import GatewaySettings
from gateway.workers.store_calls import StoreCalls
from healing.errors import ConfigError

_log = structlog.get_logger(__name__)
RELOAD_SECONDS = 1.0
_READ_SECONDS_MAX = 5.0  # of the files, whose disk may hang
Protocol = Literal["http/1.1", "h2"]
_PROTOCOLS: tuple[Protocol, ...] = ("http/1.1", "h2")
_Contexts = dict[Protocol, ssl.SSLContext]
_Stamp = tuple[tuple[int, int, int], ...]


class ServerTls:
    """The contexts of the servers; ConfigError where the files cannot be loaded at the start."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = certificate, key
        self._call: Callable[..., Awaitable[_Contexts | None]] = partial(StoreCalls(calls_max=1).run, _READ_SECONDS_MAX)
        self._stamp: _Stamp = ()
        try:
            self._current = self._load_if_changed() or {}
        except OSError as exc:  # ssl.SSLError is one
            raise ConfigError(f"{self._fault(exc)}; see --tls-cert-file and --tls-key-file") from exc

    @classmethod
    def of(cls, settings: GatewaySettings) -> Self | None:
        """None without the two settings; ConfigError with one of them."""
        files = settings.tls_cert_file, settings.tls_key_file
        if files == (None, None):
            return None
        if files[0] is None or files[1] is None:
            raise ConfigError("--tls-cert-file and --tls-key-file are set together, found one of them: set both")
        return cls(files[0], files[1])

    def context(self, protocol: Protocol) -> ssl.SSLContext:
        """What a server of this protocol listens with."""
        context = self._new_context(protocol)

        def use_current(connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
            connection.context = self._current[protocol]

        context.sni_callback = use_current  # called at each handshake, also without a name
        return context

    async def look(self) -> None:
        """Load the files if they have changed; OSError, with the old ones in use, if they cannot be loaded."""
        try:
            loaded = await self._call(self._load_if_changed)
        except OSError as exc:
            raise OSError(self._fault(exc)) from exc
        if loaded:
            self._current = loaded
            _log.info("tls_certificate_loaded", file=str(self._files[0]))

    def _load_if_changed(self) -> _Contexts | None:
        """New contexts, None if the files are those of the last time that they could be loaded."""
        stamp = tuple((found.st_ino, found.st_size, found.st_mtime_ns) for found in map(Path.stat, self._files))
        if stamp == self._stamp:
            return None
        contexts = {protocol: self._new_context(protocol) for protocol in _PROTOCOLS}
        self._stamp = stamp
        return contexts

    def _new_context(self, protocol: Protocol) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols([protocol])
        context.load_cert_chain(*self._files, password=_no_password)
        return context

    def _fault(self, error: OSError) -> str:
        certificate, key = self._files
        return (
            f"the certificate {certificate} and the key {key} cannot be loaded: {error}; expected a PEM file with the "
            "chain and one with its key, without a password"
        )


def _no_password() -> str:
    """For an encrypted key: OpenSSL would ask at the terminal."""
    return ""
