"""What is on duty, what it is asked, and what it answers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.batcher import Row
from gateway.versions import Version
from gateway.wire.schema import Binder, Bound
from gateway.wire.table import Table
from healing.errors import Transient
from healing.release import Release


class Rung(StrEnum):
    """Which step of the ladder answered."""

    CHALLENGER = "challenger"
    CHAMPION = "champion"
    FALLBACK = "fallback"
    BASELINE = "baseline"

    @property
    def degraded(self) -> bool:
        return self in (Rung.FALLBACK, Rung.BASELINE)


class Overloaded(Transient):
    """More rows wait than can be answered in time; `retry_seconds` later there may be room."""

    def __init__(self, message: str, retry_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


@dataclass(frozen=True, slots=True)
class Serving:
    """One release on duty. Replaced as a whole, so that a request sees one release from start to end."""

    release: Release
    champion: Version
    challenger: Version | None
    fallbacks: tuple[Version, ...]
    binder: Binder
    also_known: frozenset[str]

    @classmethod
    def of(
        cls, release: Release, champion: Version, challenger: Version | None, fallbacks: Sequence[Version]
    ) -> "Serving | None":
        """None while no manifest can be read: without a schema no request can be checked."""
        versions = [champion, *fallbacks, *([challenger] if challenger else [])]
        binders = [version.binder for version in versions if version.binder is not None]
        if not binders:
            return None
        known = frozenset(name for binder in binders for name in (*binder.schema.names, binder.schema.key or ""))
        return cls(release, champion, challenger, tuple(fallbacks), binders[0], known)

    def rungs(self, *, challenger: bool) -> Iterator[tuple[Rung, Version]]:
        """Who is asked, in order."""
        if challenger and self.challenger is not None:
            yield Rung.CHALLENGER, self.challenger
        yield Rung.CHAMPION, self.champion
        for fallback in self.fallbacks:
            yield Rung.FALLBACK, fallback

    def rung_of(self, version: Version) -> Rung:
        """Where a version stands; one that the release does not name counts as a fallback."""
        return next((rung for rung, other in self.rungs(challenger=True) if other is version), Rung.FALLBACK)


@dataclass(frozen=True, slots=True)
class Question:
    """A valid request: its rows as sent (`table`) and in the champion's order (`bound`).

    `until` (monotonic seconds) is when its client gives up; None where it did not say.
    """

    request_id: str
    route_key: str | None
    table: Table
    bound: Bound
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One value a row, and who gave it; `version` is None for the baseline. `rows` are what it read, under `names`.

    `failed` is the digest of the version that was asked first and is to blame for not answering, else nothing;
    `seconds` is the time from the question to this answer.
    """

    values: Sequence[float]
    rung: Rung
    version: Version | None
    generation: int
    names: Sequence[str]
    rows: Sequence[Row]
    seconds: float
    failed: str = ""
