"""Toxic `slow_close`: the end of the stream arrives late."""

import asyncio

from pydantic import Field

from chaos.proxy.toxics.toxic import Attributes


class SlowClose(Attributes):
    """Pass the bytes at once and the end of the stream after `delay` milliseconds."""

    delay: int = Field(default=0, ge=0, description="milliseconds")

    async def before_close(self) -> None:
        """Wait."""
        await asyncio.sleep(self.delay / 1000)
