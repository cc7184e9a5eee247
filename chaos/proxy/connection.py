"""One proxied connection: two directions, each with the toxics that act on it at this moment."""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.proxy.toxics.toxic import Toxic

_READ_BYTES = 32_768
_QUEUE_CHUNKS = 256  # bytes that wait in a delay; more, and the sender is held back as by a real network
_CLOSE_SECONDS = 2.0

Toxics = Callable[[str], Sequence[Toxic]]  # the toxics of a stream, "upstream" or "downstream", read for each chunk


@dataclass(eq=False)
class Direction:
    """The bytes from `reader` to `writer`. `luck` holds one draw per toxic, so that toxicity is per connection."""

    stream: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    toxics: Toxics
    connection: "Connection"
    memory: dict[str, Any] = field(default_factory=dict)
    luck: dict[str, float] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def close(self) -> None:
        """Close both directions in the ordinary way (FIN)."""
        self.connection.end()

    def reset(self) -> None:
        """Abort both directions with a TCP reset (RST)."""
        self.connection.reset()

    def acting(self) -> list[Toxic]:
        """The toxics that act on this connection now."""
        found = self.toxics(self.stream)
        return [toxic for toxic in found if self.luck.setdefault(toxic.name, random.random()) < toxic.toxicity]  # noqa: S311

    def is_held_by(self, toxic: Toxic) -> bool:
        """Whether `toxic` acted here and keeps bytes for ever."""
        acted = toxic.stream == self.stream and self.luck.get(toxic.name, 1.0) < toxic.toxicity
        return acted and toxic.attributes.holds()

    async def pump(self) -> None:
        """Move bytes until the reader ends, then pass the end on."""
        chunks: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue(_QUEUE_CHUNKS)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._receive(chunks))
            watch = tasks.create_task(self._watch())
            await self._send(chunks)
            watch.cancel()

    async def _receive(self, chunks: "asyncio.Queue[tuple[float, bytes] | None]") -> None:
        loop = asyncio.get_running_loop()
        while chunk := await self.reader.read(_READ_BYTES):
            await chunks.put((loop.time(), chunk))
        await chunks.put(None)

    async def _send(self, chunks: "asyncio.Queue[tuple[float, bytes] | None]") -> None:
        while (received := await chunks.get()) is not None:
            received_at, chunk = received
            async for part in _through(self.acting(), chunk, received_at, self):
                self.writer.write(part)
                await self.writer.drain()
        for toxic in self.acting():
            await toxic.attributes.before_close()
        if self.writer.can_write_eof():
            self.writer.write_eof()

    async def _watch(self) -> None:
        """Run what toxics do to an open connection without bytes; started again when the toxics change."""
        while True:
            self.changed.clear()
            running = [asyncio.ensure_future(toxic.attributes.on_connection(self)) for toxic in self.acting()]
            try:
                await self.changed.wait()
            finally:
                for task in running:
                    task.cancel()


@dataclass(eq=False)
class Connection:
    """A client's connection and the one to the upstream."""

    client: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    server: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    toxics: Toxics
    directions: tuple[Direction, ...] = ()
    task: "asyncio.Task[None] | None" = None
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Move bytes both ways until both sides have ended, one of them broke, or `end` or `reset` is called."""
        self.task = asyncio.current_task()
        (from_client, to_client), (from_server, to_server) = self.client, self.server
        self.directions = (
            Direction("upstream", from_client, to_server, self.toxics, self),
            Direction("downstream", from_server, to_client, self.toxics, self),
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                for direction in self.directions:
                    tasks.create_task(direction.pump())
        except* (ConnectionError, OSError):
            pass  # a side broke off; the other learns of it by the close below
        finally:
            await self._close()

    def refresh(self, removed: Toxic | None = None) -> None:
        """Act on a change of the proxy's toxics. The connection ends if the `removed` toxic has held its bytes."""
        for direction in self.directions:
            if removed is not None and direction.is_held_by(removed):
                self.end()
            direction.changed.set()

    def end(self) -> None:
        """Close both sides."""
        if self.task is not None:
            self.task.cancel()

    def reset(self) -> None:
        """Close both sides with a TCP reset."""
        for _, writer in (self.client, self.server):
            raw = writer.get_extra_info("socket")
            if raw is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        self.end()

    async def _close(self) -> None:
        for _, writer in (self.client, self.server):
            writer.close()
        for _, writer in (self.client, self.server):
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), _CLOSE_SECONDS)


async def _through(
    toxics: Sequence[Toxic], chunk: bytes, received_at: float, direction: Direction
) -> AsyncIterator[bytes]:
    """The parts of `chunk` that come out of all toxics, each toxic fed by the one before."""
    if not toxics:
        yield chunk
        return
    first, *rest = toxics
    async for part in first.attributes.forward(chunk, received_at, first.name, direction):
        async for out in _through(rest, part, received_at, direction):
            yield out
