"""A wall clock that jumps, for the gateway and the healers, which run with a settable one (`chaos.settable_clock`).

Monotonic and boot clock stay right, as they do when somebody steps the clock of a machine.
"""

import time
from datetime import datetime
from pathlib import Path
from typing import Literal

import httpx
import orjson
from pydantic import BaseModel, ConfigDict

from chaos import http
from chaos.faults.spoiled_log import newest_entries
from chaos.lab import Lab
from chaos.settable_clock import FILE_VARIABLE, set_clock
from chaos.staging.needs import variable_of

__all__ = ["KIND", "SteppedClock", "prepare"]

KIND = "clock"
TOLERANCE_SECONDS = 300.0
PAGE_ROWS = 10_000


class SteppedClock(BaseModel):
    """Adds `offset_seconds` to the wall clock of the processes that read `file`."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["stepped_clock"] = "stepped_clock"
    operate: str
    file: Path
    offset_seconds: int
    after: int  # the number of the newest entry in the prediction log before the fault

    @property
    def title(self) -> str:
        return f"wall clock {self.offset_seconds:+d} s"

    def inject(self) -> None:
        """Write the offset."""
        set_clock(self.file, self.offset_seconds)

    def undo(self) -> None:
        """Write that there is none."""
        set_clock(self.file, 0)

    def active(self) -> bool:
        """Whether the gateway's newest logged answer has a time that is off by the offset."""
        try:
            page = http.get(f"{self.operate}/predictions?after={self.after}&limit={PAGE_ROWS}").raise_for_status()
        except httpx.HTTPError:
            return False
        entries = [orjson.loads(line) for line in page.content.splitlines()]
        if not entries:
            return False
        found_seconds = datetime.fromisoformat(entries[-1]["at"]).timestamp() - time.time()
        return abs(found_seconds - self.offset_seconds) <= TOLERANCE_SECONDS


def prepare(lab: Lab, offset_seconds: int) -> SteppedClock:
    """`offset_seconds` forward, or back when negative. LookupError where the gateway's clock cannot be set."""
    file = variable_of(lab, "gateway", FILE_VARIABLE)
    if not file:
        raise LookupError("expected a gateway with a settable clock, found none; see docs/drills.md")
    entries = newest_entries(lab)
    after = entries[-1][0] if entries else 0
    return SteppedClock(operate=lab.operate, file=Path(file), offset_seconds=offset_seconds, after=after)
