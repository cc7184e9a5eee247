"""Toxic `timeout`: the other side stays silent, and the connection closes after a while or never."""

import asyncio
from collections.abc import AsyncIterator

from pydantic import Field

from chaos.proxy.toxics.toxic import Attributes, Direction


class Timeout(Attributes):
    """Let nothing through, and close the connection after `timeout` milliseconds; 0 keeps it open and silent."""

    timeout: int = Field(default=0, ge=0, description="milliseconds; 0: never close")

    def holds(self) -> bool:
        """Always."""
        return True

    async def forward(self, chunk: bytes, received_at: float, name: str, direction: Direction) -> AsyncIterator[bytes]:
        """Hold the bytes for ever: nobody gets them."""
        await asyncio.get_running_loop().create_future()
        yield chunk

    async def on_connection(self, direction: Direction) -> None:
        """Close the connection when the time is over."""
        if self.timeout:
            await asyncio.sleep(self.timeout / 1000)
            direction.close()
