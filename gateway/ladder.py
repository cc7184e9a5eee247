"""Who answers: the chosen version, else the champion, else a fallback, else the baseline. Somebody always does."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.batcher import Row
from gateway.guard import Trial
from gateway.problems import ProblemBoard
from gateway.refusals import BadRequest
from gateway.router import falls_to_challenger
from gateway.schema import Binder, Bound
from gateway.table import Table
from gateway.versions import Version
from gateway.workers import VersionFailed
from healing.errors import Transient
from healing.incident import Cause
from healing.release import Mode, Release


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
    """More rows wait than can be answered in time."""


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


@dataclass(frozen=True, slots=True)
class Question:
    """A valid request: its rows as sent (`table`) and in the champion's order (`bound`)."""

    request_id: str
    route_key: str | None
    table: Table
    bound: Bound


@dataclass(frozen=True, slots=True)
class Answer:
    """One value a row, and who gave it; `version` is None for the baseline. `rows` are what it read, under `names`."""

    values: Sequence[float]
    rung: Rung
    version: Version | None
    generation: int
    names: Sequence[str]
    rows: Sequence[Row]


class Ladder:
    """Answers questions by the release on duty, and keeps the books on every version that it asks."""

    def __init__(
        self,
        problems: ProblemBoard,
        request_deadline_seconds: float,
        canary_alpha: float,
        canary_ratio_tolerated: float,
    ) -> None:
        self.serving: Serving | None = None
        self.trial: Trial | None = None
        self.condemned: str | None = None  # digest of a challenger that gets no more traffic
        self.on_condemned: list[Callable[[Trial, str], None]] = []
        self._problems = problems
        self._deadline = request_deadline_seconds
        self._alpha = canary_alpha
        self._ratio_tolerated = canary_ratio_tolerated

    def serve(self, serving: Serving) -> None:
        """Switch to a release in one step; requests under way finish on the one they began with."""
        release = serving.release
        challenger = release.challenger
        if challenger is None or challenger.model.digest != self.condemned:
            self.condemned = None
        if challenger is None or challenger.mode is not Mode.CANARY:
            self.trial = None
        elif self.trial is not None and self.trial.challenger.model == challenger.model:
            self.trial.next_stage(release)
        else:
            self.trial = Trial(challenger, release.generation, self._alpha, self._ratio_tolerated)
        self.serving = serving

    async def answer(self, serving: Serving, question: Question) -> Answer:
        """The first rung that can; raises Overloaded when the queue of the chosen one is full."""
        started = time.monotonic()
        chosen = self._chooses_challenger(serving, question)
        failed: list[Version] = []
        tried = 0
        for rung, version in _rungs(serving, challenger=chosen):
            if tried and time.monotonic() - started > self._deadline:
                break
            tried += 1
            asked = time.monotonic()
            try:
                rows, values = await self._ask(version, serving, question, shed=tried == 1)
            except VersionFailed as exc:
                if exc.attempted:
                    failed.append(version)
                continue
            self._record(version, failed=False)
            if tried == 1:
                self._observe(serving, question, challenger=chosen, failed=False, since=asked)
            self._blame(failed, serving, question, chosen=chosen, since=started)
            return Answer(values, rung, version, serving.release.generation, _names_of(version), rows)
        if len(failed) == 1:  # where several versions fail on the same rows, the rows are odd, not the versions
            self._blame(failed, serving, question, chosen=chosen, since=started)
        baseline = [serving.release.baseline] * len(question.bound.rows)
        names = serving.binder.schema.names
        return Answer(baseline, Rung.BASELINE, None, serving.release.generation, names, question.bound.rows)

    async def answer_by(self, version: Version, question: Question) -> Answer | None:
        """What this one version says, or None when it cannot; nobody else is asked, nothing is recorded."""
        assert self.serving is not None
        try:
            rows, values = await self._ask(version, self.serving, question, shed=False)
        except VersionFailed:
            return None
        generation = self.serving.release.generation
        return Answer(values, _rung_of(version, self.serving), version, generation, _names_of(version), rows)

    def _chooses_challenger(self, serving: Serving, question: Question) -> bool:
        trial = serving.release.challenger
        if trial is None or serving.challenger is None or trial.model.digest == self.condemned:
            return False
        return falls_to_challenger(trial, question.route_key or question.request_id)

    async def _ask(
        self, version: Version, serving: Serving, question: Question, *, shed: bool
    ) -> tuple[Sequence[Row], Sequence[float]]:
        """The rows as this version reads them and its value for each; raises VersionFailed."""
        if not version.worker.ready or not version.breaker.lets_through(time.monotonic()):
            raise VersionFailed(f"version {version.model.version} is not available", attempted=False)
        if version.batcher.full:
            if shed:
                raise Overloaded(f"{version.batcher.pending_rows} rows wait; try again in a second")
            raise VersionFailed("queue full", attempted=False)
        rows = _rows_for(version, serving, question)
        values = await version.batcher.submit(rows)
        if not all(map(math.isfinite, values)):
            raise VersionFailed(f"version {version.model.version} has no number for a row", attempted=True)
        return rows, values

    def _record(self, version: Version, *, failed: bool) -> None:
        was_closed = version.breaker.closed
        version.breaker.record(failed=failed, now=time.monotonic())
        if version.breaker.closed == was_closed:
            return
        if was_closed:
            note = f": {version.batcher.note}" if version.batcher.note else ""
            told = f"version {version.model.version} fails requests that others answer{note}"
            self._problems.begin(Cause.MODEL_FAILING, version.model.digest, told)
        else:
            self._problems.end(version.model.digest, Cause.MODEL_FAILING)

    def _blame(
        self, failed: Sequence[Version], serving: Serving, question: Question, *, chosen: bool, since: float
    ) -> None:
        """Put failures on the account of the versions, now that it is known that the rows could be answered."""
        primary = serving.challenger if chosen else serving.champion
        for version in failed:
            self._record(version, failed=True)
            if version is primary:
                self._observe(serving, question, challenger=chosen, failed=True, since=since)

    def _observe(self, serving: Serving, question: Question, *, challenger: bool, failed: bool, since: float) -> None:
        """Take a request into the trial, unless it began under another release than the trial's stage."""
        trial = self.trial
        if trial is None or trial.generation != serving.release.generation:
            return
        latency_ms = 1000 * (time.monotonic() - since)
        if trial.observe(challenger=challenger, failed=failed, route_key=question.route_key, latency_ms=latency_ms):
            self.condemn(f"errors: {trial.evidence()}")

    def condemn(self, why: str) -> None:
        """Take the challenger's traffic away, from the next request on, and tell who writes the abort."""
        trial = self.trial
        if trial is None or self.condemned == trial.challenger.model.digest:
            return
        self.condemned = trial.challenger.model.digest
        for listener in self.on_condemned:
            listener(trial, why)


def _rungs(serving: Serving, *, challenger: bool) -> Iterator[tuple[Rung, Version]]:
    if challenger and serving.challenger is not None:
        yield Rung.CHALLENGER, serving.challenger
    yield Rung.CHAMPION, serving.champion
    for fallback in serving.fallbacks:
        yield Rung.FALLBACK, fallback


def _rung_of(version: Version, serving: Serving) -> Rung:
    """The rung on which this version stands; one that no release on duty names counts as a fallback."""
    return next((rung for rung, other in _rungs(serving, challenger=True) if other is version), Rung.FALLBACK)


def _names_of(version: Version) -> Sequence[str]:
    assert version.binder is not None, "it has read rows"
    return version.binder.schema.names


def _rows_for(version: Version, serving: Serving, question: Question) -> Sequence[Row]:
    """The question's rows in the version's own order; a version that reads columns which are not there is skipped."""
    if version.binder is serving.binder:
        return question.bound.rows
    if version.binder is None:
        raise VersionFailed(f"the manifest of version {version.model.version} cannot be read", attempted=False)
    try:
        return version.binder.bind(question.table, serving.also_known).rows
    except BadRequest as exc:
        raise VersionFailed(f"version {version.model.version} reads other columns: {exc}", attempted=False) from exc
