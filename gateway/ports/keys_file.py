"""The file of API keys, read again when it changes, so that keys are replaced without a restart."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import structlog

from gateway.ports.keys import KeyRing, read_keys
from gateway.ports.tokens import TokenVerifier
from gateway.settings import GatewaySettings
from gateway.workers.store_calls import StoreCalls
from healing.errors import ConfigError

_log = structlog.get_logger(__name__)
RELOAD_SECONDS = 1.0
_READ_SECONDS_MAX = 5.0  # of the file, whose disk may hang


class KeysFileWatch:
    """Gives the keys of the file to a ring. A file that cannot be used changes nothing."""

    name = "keys_file"
    failures_tolerated = 2  # a file may be written in two steps

    def __init__(
        self, settings: GatewaySettings, file: Path, ring: KeyRing, tokens: TokenVerifier | None = None
    ) -> None:
        """`settings` and `tokens` are those that the keys were read with at the start."""
        self._settings, self._file, self._ring, self._tokens = settings, file, ring, tokens
        self._stamp: tuple[int, int, int] | None = None  # the first look reads the file again: it may have changed
        self._call: Callable[..., Awaitable[KeyRing | None]] = partial(StoreCalls(calls_max=1).run, _READ_SECONDS_MAX)

    async def look(self) -> None:
        """Read the file if it has changed; ConfigError or OSError, with the old keys in use, if it cannot be used."""
        read = await self._call(self._read_if_changed)
        if read is not None:
            self._ring.adopt(read)
            _log.info("keys_file_read", file=str(self._file))

    def _read_if_changed(self) -> KeyRing | None:
        found = self._file.stat()
        stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
        if stamp == self._stamp:
            return None
        read = read_keys(self._settings, self._tokens)
        if not read.locked:
            raise ConfigError(f"expected a key in {self._file}, found none: the gateway would be open to everybody")
        self._stamp = stamp
        return read
