"""Who answers: the chosen version, else the champion, else a fallback, else the baseline. Somebody always does."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence

from gateway.batching.versions import Version
from gateway.guards.trial import ChallengerTrial
from gateway.reporting.problems import ProblemBoard
from gateway.routing.active_release import ActiveRelease, falls_to_challenger
from gateway.routing.request import Overloaded, PredictRequest, PredictResponse, Rung
from gateway.rows.refusals import BadRequest
from gateway.rows.table import Row
from gateway.workers.worker import VersionFailed
from healing.incident import Cause
from healing.release import Mode


class Ladder:
    """Answers requests by the release on duty, and keeps the books on every version that it asks."""

    def __init__(
        self,
        problems: ProblemBoard,
        request_deadline_seconds: float,
        begin_trial: Callable[[ActiveRelease], ChallengerTrial],
    ) -> None:
        self.active: ActiveRelease | None = None
        self.trial: ChallengerTrial | None = None
        self.aborted: str | None = None  # digest of a challenger that gets no more traffic
        self.on_abort: list[Callable[[ChallengerTrial, str], None]] = []
        self.on_serve: list[Callable[[ActiveRelease], None]] = []
        self._problems = problems
        self._deadline = request_deadline_seconds
        self._begin_trial = begin_trial

    def serve(self, active: ActiveRelease) -> None:
        """Switch to a release in one step; requests under way finish on the one they began with."""
        release = active.release
        challenger = release.challenger
        if challenger is None or challenger.model.digest != self.aborted:
            self.aborted = None
        if challenger is None:
            self.trial = None
        elif self.trial is not None and self.trial.challenger.model == challenger.model:
            self.trial.next_stage(active)
        else:
            self.trial = self._begin_trial(active)
        self.active = active
        for listener in self.on_serve:
            listener(active)
        self.judge()  # a trial may go on after a restart

    def admit(self, active: ActiveRelease) -> None:
        """Raise Overloaded while the champion has more to do than it can in time: before a request is even read."""
        champion = active.champion
        if champion.worker.ready and champion.batcher.full:
            raise _overloaded(champion)

    async def answer(self, active: ActiveRelease, request: PredictRequest) -> PredictResponse:
        """The first rung that can; raises Overloaded when the queue of the one that should is full."""
        started = time.monotonic()
        until = started + self._deadline
        if request.until is not None:
            until = min(until, request.until)
        chosen = self._chooses_challenger(active, request)
        failed: list[Version] = []
        tried = 0
        for rung, version in active.rungs(challenger=chosen):
            if tried and time.monotonic() > until:
                break
            tried += 1
            asked = time.monotonic()
            try:
                rows, values = await self._ask(rung, version, active, request, until)
            except VersionFailed as exc:
                if exc.attempted:
                    failed.append(version)
                elif tried == 1:
                    self._observe_wait(active, request, version, since=asked)
                continue
            now = time.monotonic()
            version.window.answered(now - asked, values[0])
            self._record(version, failed=False)
            if tried == 1:
                self._observe_answer(active, request, version, now - asked, values[0])
            blamed = self._blame(failed, active, request, chosen=chosen) if failed else ""
            names = _names_of(version)
            return PredictResponse(values, rung, version, active.release.generation, names, rows, now - started, blamed)
        blamed = ""
        if len(failed) == 1:  # where several versions fail on the same rows, the rows are odd, not the versions
            blamed = self._blame(failed, active, request, chosen=chosen)
        return _baseline(active, request, time.monotonic() - started, blamed)

    async def answer_by(self, version: Version, request: PredictRequest) -> PredictResponse | None:
        """What this one version says, or None when it cannot; nobody else is asked, nothing is recorded."""
        active = self.active
        assert active is not None
        started = time.monotonic()
        try:
            rows, values = await self._ask(Rung.CHALLENGER, version, active, request, started + self._deadline)
        except VersionFailed:
            return None
        rung, generation, seconds = active.rung_of(version), active.release.generation, time.monotonic() - started
        return PredictResponse(values, rung, version, generation, _names_of(version), rows, seconds)

    def judge(self) -> None:
        """Condemn the challenger once its trial says so."""
        if self.trial is not None and (reason := self.trial.abort_reason) is not None:
            self.abort(reason)

    def abort(self, why: str) -> None:
        """Take the challenger's traffic away, from the next request on, and tell who writes the abort."""
        trial = self.trial
        if trial is None or self.aborted == trial.challenger.model.digest:
            return
        self.aborted = trial.challenger.model.digest
        for listener in self.on_abort:
            listener(trial, why)

    def _chooses_challenger(self, active: ActiveRelease, request: PredictRequest) -> bool:
        trial = active.release.challenger
        if trial is None or active.challenger is None or trial.model.digest == self.aborted:
            return False
        return trial.mode is Mode.CANARY and falls_to_challenger(trial, request.route_key or request.request_id)

    async def _ask(
        self, rung: Rung, version: Version, active: ActiveRelease, request: PredictRequest, until: float
    ) -> tuple[Sequence[Row], Sequence[float]]:
        """The rows as this version reads them and its value for each; raises VersionFailed, or Overloaded.

        A challenger has no breaker: its trial's test is the guard, and starves without its requests.
        """
        if not version.worker.ready:
            raise VersionFailed(f"version {version.model.version} is {version.worker.state}", attempted=False)
        if rung is not Rung.CHALLENGER and not version.breaker.lets_through(time.monotonic()):
            raise VersionFailed(f"the breaker of version {version.model.version} is open", attempted=False)
        if version.batcher.full:
            if rung is Rung.CHALLENGER:
                raise VersionFailed(f"version {version.model.version} has too much to do", attempted=False)
            raise _overloaded(version)
        rows = _rows_for(version, active, request)
        values = await _in_time(version.batcher.submit(rows, until), request.until)
        if not all(map(math.isfinite, values)):
            raise VersionFailed(f"version {version.model.version} has no number for a row", attempted=True)
        if version.output_is_stuck(rows, values):
            raise VersionFailed(f"version {version.model.version} answers {values[0]} to everything", attempted=True)
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

    def _blame(self, failed: Sequence[Version], active: ActiveRelease, request: PredictRequest, *, chosen: bool) -> str:
        """Put failures on the account of the versions, now that it is known that the rows could be answered.

        Returns the digest of the version that was asked first, if it is among them.
        """
        primary = active.challenger if chosen else active.champion
        blamed = ""
        for version in failed:
            version.window.failed()
            self._record(version, failed=True)
            if version is primary:
                blamed = version.model.digest
                if (trial := self._canary_of(active)) is not None:
                    trial.observe_failure(challenger=chosen, route_key=request.route_key)
                    self.judge()
        return blamed

    def _canary_of(self, active: ActiveRelease) -> ChallengerTrial | None:
        """The trial that a request belongs to; none when it began under another release than the trial's stage."""
        trial = self.trial
        if trial is None or trial.generation != active.release.generation:
            return None
        return trial if trial.challenger.mode is Mode.CANARY else None

    def _observe_answer(
        self, active: ActiveRelease, request: PredictRequest, version: Version, seconds: float, answer: float
    ) -> None:
        trial = self._canary_of(active)
        if trial is not None:
            chosen, key = version is active.challenger, request.route_key
            trial.observe_answer(version, challenger=chosen, seconds=seconds, answer=answer, route_key=key)
            self.judge()

    def _observe_wait(self, active: ActiveRelease, request: PredictRequest, version: Version, *, since: float) -> None:
        """Without an answer from the version that was asked first: it, or its queue, may have been too slow."""
        trial = self._canary_of(active)
        if trial is not None:
            foreseen = version.batcher.wait_seconds if version.batcher.full else 0.0
            seconds, chosen = time.monotonic() - since + foreseen, version is active.challenger
            trial.observe_wait(version, challenger=chosen, seconds=seconds, route_key=request.route_key)
            self.judge()


async def _in_time(answer: "asyncio.Future[Sequence[float]]", until: float | None) -> Sequence[float]:
    """The answer, unless the client's own deadline comes first; VersionFailed then, which is nobody's error."""
    if until is None:
        return await answer
    try:
        async with asyncio.timeout(max(until - time.monotonic(), 0)):
            return await answer
    except TimeoutError as exc:
        raise VersionFailed("the client's deadline has come", attempted=False) from exc


def _baseline(active: ActiveRelease, request: PredictRequest, seconds: float, failed: str) -> PredictResponse:
    values = [active.release.baseline] * len(request.bound.rows)
    names, rows = active.binder.schema.names, request.bound.rows
    return PredictResponse(values, Rung.BASELINE, None, active.release.generation, names, rows, seconds, failed)


def _overloaded(version: Version) -> Overloaded:
    wait = version.batcher.wait_seconds
    told = f"{version.batcher.pending_rows} rows wait, for some {wait:.1f} s; try again later"
    return Overloaded(told, retry_seconds=max(1, math.ceil(wait)))


def _names_of(version: Version) -> Sequence[str]:
    assert version.binder is not None, "it has read rows"
    return version.binder.schema.names


def _rows_for(version: Version, active: ActiveRelease, request: PredictRequest) -> Sequence[Row]:
    """The request's rows in the version's own order; a version that reads columns which are not there is skipped."""
    if version.binder is active.binder:
        return request.bound.rows
    if version.binder is None:
        raise VersionFailed(f"the manifest of version {version.model.version} cannot be read", attempted=False)
    try:
        return version.binder.bind(request.table, active.also_known).rows
    except BadRequest as exc:
        raise VersionFailed(f"version {version.model.version} reads other columns: {exc}", attempted=False) from exc
