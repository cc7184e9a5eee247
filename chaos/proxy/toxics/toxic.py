"""What a toxic is, and what it can do to the bytes of one direction of a connection."""

from collections.abc import AsyncIterator
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny


class Direction(Protocol):
    """One direction of one connection, as a toxic sees it. `memory` keeps the state of each toxic by its name."""

    memory: dict[str, Any]

    def close(self) -> None:
        """Close both directions in the ordinary way (FIN)."""

    def reset(self) -> None:
        """Abort both directions with a TCP reset (RST)."""


class Attributes(BaseModel):
    """The settings of one toxic type, and its effect. The default effect is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def holds(self) -> bool:
        """Whether it keeps bytes for ever, so that a connection on which it acted is of no use after its removal."""
        return False

    async def forward(self, chunk: bytes, received_at: float, name: str, direction: Direction) -> AsyncIterator[bytes]:
        """Yield what of `chunk` goes on, when it goes on. `received_at` is in seconds on the event loop's clock."""
        yield chunk

    async def on_connection(self, direction: Direction) -> None:
        """Run while the toxic acts on an open connection; cancelled when the toxic or the connection is removed."""

    async def before_close(self) -> None:
        """Run when one side has ended the stream, before the other side learns of it."""


class Toxic(BaseModel):
    """One toxic on one direction of a proxy. `toxicity` is the share of connections that it acts on (0 to 1)."""

    model_config = ConfigDict(frozen=True)

    name: str
    type: str
    stream: Literal["upstream", "downstream"] = "downstream"
    toxicity: float = Field(default=1.0, ge=0, le=1)
    attributes: SerializeAsAny[Attributes]
