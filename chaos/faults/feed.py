"""A source that answers at once, and with a spoiled batch of the day that became due."""

import base64
import csv
import io
from datetime import date, timedelta
from typing import Any, Literal

import httpx
from pydantic import BaseModel, ConfigDict

from chaos import http
from chaos.actions.advance_clock import DUE_DAY
from chaos.lab import Lab
from chaos.record import recall
from chaos.spoiled_rows import SpoilOrder, spoil

__all__ = ["KIND", "SpoiledBatch", "prepare", "spoiled_batch"]

KIND = "feed"
REPLAY = "replay"


class SpoiledBatch(BaseModel):
    """The primary of the bundled source delivers `body` as one batch. Its mirror delivers the batch as it is."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["spoiled_batch"] = "spoiled_batch"
    feed: str
    table: str
    day: str
    change: str
    body: str  # Base64

    @property
    def title(self) -> str:
        return f"{self.table} of {self.day}: {self.change}"

    def inject(self) -> None:
        """Add the content to the faults of the feed; httpx.HTTPError when it refuses."""
        self._put([*self._others(), {"kind": "content", "table": self.table, "day": self.day, "body": self.body}])

    def undo(self) -> None:
        """Remove it, if the feed still has it."""
        self._put(self._others())

    def active(self) -> bool:
        """Whether a client of the feed gets the spoiled batch."""
        try:
            found = http.get(f"{self.feed}/{self.table}/{self.day}.csv")
        except httpx.HTTPError:
            return False
        return found.is_success and found.content == base64.b64decode(self.body)

    def _others(self) -> list[dict[str, Any]]:
        response = http.get(f"{self.feed}/faults").raise_for_status()
        ours = ("content", self.table, self.day)
        return [each for each in response.json() if (each["kind"], each["table"], each["day"]) != ours]

    def _put(self, faults: list[dict[str, Any]]) -> None:
        http.request("PUT", f"{self.feed}/faults", json=faults).raise_for_status()


def prepare(lab: Lab, table: str, change: str, **how: Any) -> SpoiledBatch:
    """`change` is one of `chaos.spoiled_rows`, with its column, share and so on in `how`; or replay: yesterday's batch.

    The day is the one that the drill made due. LookupError without a bundled source, or for an unknown change.
    """
    return spoiled_batch(lab, table, SpoilOrder(change, **how))


def spoiled_batch(lab: Lab, table: str, order: SpoilOrder) -> SpoiledBatch:
    """The due day's batch of `table`, spoiled. LookupError as for `prepare`; ValueError when nothing is spoiled."""
    day = date.fromisoformat(recall(lab.directory, DUE_DAY))
    right = _batch(lab, table, day)
    body = _batch(lab, table, day - timedelta(days=1)) if order.change == REPLAY else spoil(right, order)
    if _cells(body) == _cells(right):
        raise ValueError(f"expected {table} of {day} to be changed by {order.change!r}, found the same rows")
    encoded = base64.b64encode(body).decode()
    return SpoiledBatch(feed=lab.feed, table=table, day=day.isoformat(), change=order.change, body=encoded)


def _cells(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode())))


def _batch(lab: Lab, table: str, day: date) -> bytes:
    return http.get(f"{lab.mirror}/{table}/{day}.csv").raise_for_status().content
