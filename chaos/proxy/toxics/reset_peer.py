"""Toxic `reset_peer`: the connection breaks with a TCP reset."""

import asyncio
from collections.abc import AsyncIterator

from pydantic import Field

from chaos.proxy.toxics.toxic import Attributes, Direction


class ResetPeer(Attributes):
    """Let nothing through, and reset the connection after `timeout` milliseconds."""

    timeout: int = Field(default=0, ge=0, description="milliseconds")

    def holds(self) -> bool:
        """Always."""
        return True

    async def forward(self, chunk: bytes, received_at: float, name: str, direction: Direction) -> AsyncIterator[bytes]:
        """Hold the bytes until the reset."""
        await asyncio.get_running_loop().create_future()
        yield chunk

    async def on_connection(self, direction: Direction) -> None:
        """Reset the connection when the time is over."""
        await asyncio.sleep(self.timeout / 1000)
        direction.reset()
