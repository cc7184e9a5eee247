"""Toxic `bandwidth`: a slow line."""

import asyncio
from collections.abc import AsyncIterator

from pydantic import Field

from chaos.proxy.toxics.toxic import Attributes, Direction

_STEP_SECONDS = 0.1  # a chunk is sent in parts of this duration, so that the line is slow and not silent


class Bandwidth(Attributes):
    """At most `rate` kilobytes per second per connection; 0 lets nothing through."""

    rate: int = Field(default=0, ge=0, description="kilobytes (1,024 bytes) per second")

    def holds(self) -> bool:
        """At a rate of 0."""
        return self.rate == 0

    async def forward(self, chunk: bytes, received_at: float, name: str, direction: Direction) -> AsyncIterator[bytes]:
        """Send the chunk in parts, each after the time that its bytes take."""
        if self.rate == 0:
            await asyncio.get_running_loop().create_future()  # until the connection or the toxic is removed
        size = max(1, int(self.rate * 1024 * _STEP_SECONDS))
        for start in range(0, len(chunk), size):
            part = chunk[start : start + size]
            await asyncio.sleep(len(part) / (self.rate * 1024))
            yield part
