"""A batch that is late: the primary of the bundled source answers 404 for it, and its mirror has it."""

from typing import Any, Literal

import httpx
from pydantic import BaseModel, ConfigDict

from chaos import http
from chaos.actions.advance_clock import DUE_DAY
from chaos.lab import Lab
from chaos.record import recall

__all__ = ["KIND", "AbsentBatch", "prepare"]

KIND = "absent_batch"
ABSENT = "absent"  # what the feed calls it


class AbsentBatch(BaseModel):
    """One batch that the primary does not have yet."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["absent_batch"] = "absent_batch"
    feed: str
    table: str
    day: str

    @property
    def title(self) -> str:
        return f"{self.table} of {self.day} is not there"

    def inject(self) -> None:
        """Add it to the faults of the feed; httpx.HTTPError when it refuses."""
        self._put([*self._others(), self._fault])

    def undo(self) -> None:
        """Let the feed have the batch. May be called again."""
        self._put(self._others())

    def active(self) -> bool:
        """Whether the feed answers a client that the batch does not exist."""
        try:
            return http.get(f"{self.feed}/{self.table}/{self.day}.csv").status_code == httpx.codes.NOT_FOUND
        except httpx.HTTPError:
            return False

    @property
    def _fault(self) -> dict[str, Any]:
        return {"kind": ABSENT, "table": self.table, "day": self.day}

    def _others(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = http.get(f"{self.feed}/faults").raise_for_status().json()
        return [each for each in found if each != self._fault]

    def _put(self, faults: list[dict[str, Any]]) -> None:
        http.request("PUT", f"{self.feed}/faults", json=faults).raise_for_status()


def prepare(lab: Lab, table: str) -> AbsentBatch:
    """The batch of the day that the drill made due. LookupError without a bundled source."""
    return AbsentBatch(feed=lab.feed, table=table, day=recall(lab.directory, DUE_DAY))
