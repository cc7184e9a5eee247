"""A checked request, and the response that a version gives to it.

Every request makes one of each, and a named tuple costs a third of what a frozen dataclass costs.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from gateway.batching.versions import Version
from gateway.rows.schema import BoundRows
from gateway.rows.table import RequestTable, Row
from healing.errors import Transient
from releases.output import Output


class Rung(StrEnum):
    """Which step of the ladder answered."""

    CHALLENGER = "challenger"
    CHAMPION = "champion"
    FALLBACK = "fallback"
    BASELINE = "baseline"

    @property
    def degraded(self) -> bool:
        return self is Rung.FALLBACK or self is Rung.BASELINE


class Overloaded(Transient):
    """More rows wait than can be answered in time; `retry_seconds` later there may be room."""

    def __init__(self, message: str, retry_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class PredictRequest(NamedTuple):
    """A valid request: its rows as sent (`table`) and in the champion's order (`bound`).

    `until` (monotonic seconds) is when its client gives up; None where it did not say.
    """

    request_id: str
    route_key: str | None
    table: RequestTable
    bound: BoundRows
    until: float | None = None


class PredictResponse(NamedTuple):
    """One value per row, and who gave it; `version` is None for the baseline. `rows` are what it read, under `names`.

    `output` says what a client gets for a value, where that is not the value itself.

    `failed` is the digest of the version that was asked first and is to blame for not answering, else nothing;
    `seconds` is the time from the request to this answer.
    """

    values: Sequence[float]
    rung: Rung
    version: Version | None
    generation: int
    names: Sequence[str]
    rows: Sequence[Row]
    seconds: float
    failed: str = ""
    output: Output | None = None
