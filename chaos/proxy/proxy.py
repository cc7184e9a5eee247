"""One proxy: a listening address, an upstream address, and the toxics between them."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.proxy.connection import Connection
from chaos.proxy.toxics import Toxic

_CONNECT_SECONDS = 5.0


class AddressError(ValueError):
    """An address that is not `host:port`, or a host other than loopback to listen on."""


@dataclass(eq=False)
class Proxy:
    """A proxy by name. While it is not enabled, it refuses connections, and those that were open are closed."""

    name: str
    listen: str
    upstream: str
    enabled: bool = False
    toxics: dict[str, Toxic] = field(default_factory=dict)
    connections: set[Connection] = field(default_factory=set)
    _server: asyncio.Server | None = None

    def document(self) -> dict[str, Any]:
        """The proxy as Toxiproxy's API shows it."""
        return {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.enabled,
            "toxics": [toxic.model_dump() for toxic in self.toxics.values()],
        }

    async def enable(self) -> None:
        """Listen. Port 0 takes a free port, which stays the proxy's port. OSError if the address is in use."""
        if self.enabled:
            return
        host, port = parse_address(self.listen)
        self._server = await asyncio.start_server(self._accept, host, port)
        self.listen = f"{host}:{self._server.sockets[0].getsockname()[1]}"
        self.enabled = True

    async def disable(self) -> None:
        """Stop listening and close every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.enabled = False
        closing = tuple(self.connections)
        for connection in closing:
            connection.end()
        for connection in closing:
            await connection.closed.wait()

    def put(self, toxic: Toxic) -> None:
        """Add a toxic, or replace the one of its name; it acts on open connections too."""
        self._refresh(self.toxics.get(toxic.name))
        self.toxics[toxic.name] = toxic
        self._refresh(None)

    def remove(self, name: str) -> None:
        """Remove a toxic; KeyError if there is none of that name."""
        self._refresh(self.toxics.pop(name))

    def _refresh(self, removed: Toxic | None) -> None:
        for connection in tuple(self.connections):
            connection.refresh(removed)

    def _on(self, stream: str) -> Sequence[Toxic]:
        return [toxic for toxic in self.toxics.values() if toxic.stream == stream]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = parse_address(self.upstream)
        try:
            server = await asyncio.wait_for(asyncio.open_connection(host, port), _CONNECT_SECONDS)
        except (OSError, TimeoutError):  # the upstream is down: the client sees its connection closed
            writer.close()
            return
        connection = Connection((reader, writer), server, self._on)
        self.connections.add(connection)
        try:
            with contextlib.suppress(asyncio.CancelledError):  # `end` cancels it
                await connection.run()
        finally:
            self.connections.discard(connection)
            connection.closed.set()


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port`; AddressError says what was expected."""
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65_535:
        raise AddressError(f"expected an address such as 127.0.0.1:8000, found {address!r}")
    return host or "127.0.0.1", int(port)
