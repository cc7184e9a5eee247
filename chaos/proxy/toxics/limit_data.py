"""Toxic `limit_data`: the connection closes after a number of bytes."""

from collections.abc import AsyncIterator

from pydantic import Field

from chaos.proxy.toxics.toxic import Attributes, Direction

Bytes = bytes  # the class below has a field of the built-in name, as Toxiproxy calls it


class LimitData(Attributes):
    """Close the connection once `bytes` bytes went through in this direction."""

    bytes: int = Field(default=0, ge=0, description="bytes")

    async def forward(self, chunk: Bytes, received_at: float, name: str, direction: Direction) -> AsyncIterator[Bytes]:
        """Pass what is left of the limit, then close."""
        left: int = direction.memory.get(name, self.bytes)
        direction.memory[name] = max(0, left - len(chunk))
        if left:
            yield chunk[:left]
        if left <= len(chunk):
            direction.close()
