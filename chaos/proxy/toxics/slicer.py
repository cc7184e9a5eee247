"""Toxic `slicer`: the bytes come in small parts."""

import asyncio
import random
from collections.abc import AsyncIterator

from pydantic import Field, model_validator

from chaos.proxy.toxics.toxic import Attributes, Direction


class Slicer(Attributes):
    """Parts of `average_size` ± `size_variation` bytes, with `delay` microseconds between them."""

    average_size: int = Field(default=64, ge=1, description="bytes")
    size_variation: int = Field(default=0, ge=0, description="bytes; less than average_size")
    delay: int = Field(default=0, ge=0, description="microseconds")

    @model_validator(mode="after")
    def _check(self) -> "Slicer":
        if self.size_variation >= self.average_size:
            raise ValueError(
                f"expected size_variation < average_size, found {self.size_variation}, {self.average_size}"
            )
        return self

    async def forward(self, chunk: bytes, received_at: float, name: str, direction: Direction) -> AsyncIterator[bytes]:
        """Yield the parts, with the delay between two of them."""
        start = 0
        while start < len(chunk):
            size = self.average_size + random.randint(-self.size_variation, self.size_variation)  # noqa: S311
            yield chunk[start : start + size]
            start += size
            if start < len(chunk):
                await asyncio.sleep(self.delay / 1_000_000)
