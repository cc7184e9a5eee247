"""Toxic `latency`: every byte arrives later."""

import asyncio
import random
from collections.abc import AsyncIterator

from pydantic import Field

from chaos.proxy.toxics.toxic import Attributes, Direction


class Latency(Attributes):
    """Delay of `latency` ± `jitter` milliseconds, counted from when the proxy received the bytes.

    Chunks that wait at the same time do not add up, so the delay does not limit the bandwidth.
    """

    latency: int = Field(default=0, ge=0, description="milliseconds")
    jitter: int = Field(default=0, ge=0, description="milliseconds")

    async def forward(self, chunk: bytes, received_at: float, name: str, direction: Direction) -> AsyncIterator[bytes]:
        """Wait until the delay of this chunk is over."""
        delay = self.latency + (random.uniform(-self.jitter, self.jitter) if self.jitter else 0)  # noqa: S311
        await asyncio.sleep(max(0.0, received_at + delay / 1000 - asyncio.get_running_loop().time()))
        yield chunk
