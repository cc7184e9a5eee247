"""Which version answers: the chosen one, else the champion, else a fallback, else the baseline. One always does."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence

from gateway.batching.outcomes import Answered, Busy, Crashed, GaveUp, Outcome, Unanswered
from gateway.batching.versions import Version
from gateway.routing.accounting import Accounting, Attempt
from gateway.routing.active_release import ActiveRelease
from gateway.routing.current_trial import CurrentTrial
from gateway.routing.request import Overloaded, PredictRequest, PredictResponse, Rung
from gateway.rows.refusals import BadRequest
from gateway.rows.table import Row


class Ladder:
    """Answers requests by the active release: asks its versions in order, until one answers."""

    def __init__(self, request_deadline_seconds: float, trials: CurrentTrial) -> None:
        self.active: ActiveRelease | None = None
        self.on_serve: list[Callable[[ActiveRelease], None]] = []
        self._trials = trials
        self._accounting = Accounting(trials)
        self._deadline = request_deadline_seconds

    def serve(self, active: ActiveRelease) -> None:
        """Switch to a release in one step; requests under way finish on the one they began with."""
        self._trials.follow(active)
        self.active = active
        for listener in self.on_serve:
            listener(active)
        self._trials.judge()  # a trial may go on after a restart

    def admit(self, active: ActiveRelease) -> None:
        """Raise Overloaded while the champion has more to do than it can in time: before a request is even read.

        A champion that is slower than a fallback leaves the rest to the fallback.
        """
        champion = active.champion
        if champion.workers.ready and champion.batcher.full and not champion.slower_than_fallback:
            raise _overloaded(champion)

    async def answer(self, active: ActiveRelease, request: PredictRequest) -> PredictResponse:
        """The answer of the first version that gives one; raises Overloaded when the queue in front of it is full."""
        started = time.monotonic()
        until = started + self._deadline
        if request.until is not None:
            until = min(until, request.until)
        chosen = self._trials.chooses_challenger(active, request)
        attempts: list[Attempt] = []
        for rung, version in active.rungs(challenger=chosen):
            if attempts and time.monotonic() > until:
                break
            asked = time.monotonic()
            try:
                outcome, rows = await self._ask(rung, version, active, request, until)
            except asyncio.CancelledError:
                attempts.append(Attempt(version, GaveUp("the client hung up"), time.monotonic() - asked))
                self._accounting.settle(active, request, attempts, chosen=chosen)
                raise
            now = time.monotonic()
            attempts.append(Attempt(version, outcome, now - asked))
            if isinstance(outcome, Answered):
                failed = self._accounting.settle(active, request, attempts, chosen=chosen)
                generation, names = active.release.generation, _names_of(version)
                seconds, output = now - started, version.output
                return PredictResponse(outcome.values, rung, version, generation, names, rows, seconds, failed, output)
            if isinstance(outcome, Busy) and outcome.overloaded and not _leaves_the_rest(rung, version):
                self._accounting.settle(active, request, attempts, chosen=chosen)
                raise _overloaded(version)
        failed = self._accounting.settle(active, request, attempts, chosen=chosen)
        return _baseline(active, request, time.monotonic() - started, failed)

    async def answer_by(self, version: Version, request: PredictRequest) -> PredictResponse | Unanswered:
        """The answer of this one version, or why it gives none; no other is asked, and nothing is recorded.

        The breaker is not asked either: it protects clients, and such a request is a probe.
        """
        active = self.active
        assert active is not None
        started = time.monotonic()
        outcome, rows = await self._ask(Rung.CHALLENGER, version, active, request, started + self._deadline)
        if not isinstance(outcome, Answered):
            return outcome
        rung, generation, seconds = active.rung_of(version), active.release.generation, time.monotonic() - started
        names = _names_of(version)
        return PredictResponse(outcome.values, rung, version, generation, names, rows, seconds, output=version.output)

    async def _ask(
        self, rung: Rung, version: Version, active: ActiveRelease, request: PredictRequest, until: float
    ) -> tuple[Outcome, Sequence[Row]]:
        """How the question to this version ended, and the rows as it reads them.

        A challenger has no breaker: its trial's test is the guard, and would starve without its requests.
        """
        if not version.workers.ready:
            return Busy(f"version {version.model.version} is {version.workers.state}"), ()
        if rung is not Rung.CHALLENGER and not version.breaker.lets_through(time.monotonic()):
            return Busy(f"the breaker of version {version.model.version} is open"), ()
        if version.batcher.full_for(len(request.bound.rows)):
            return Busy(f"version {version.model.version} has too much to do", overloaded=True), ()
        rows = _rows_for(version, active, request)
        if isinstance(rows, Busy):
            return rows, ()
        outcome = await _in_time(version.batcher.submit(rows, until), request.until)
        if isinstance(outcome, Answered) and version.output_is_stuck(rows, outcome.values):
            value = outcome.values[0]
            return Crashed(f"version {version.model.version} answers {value} to everything", first=True), rows
        return outcome, rows


def _leaves_the_rest(rung: Rung, version: Version) -> bool:
    """Whether the next rung takes what this version cannot do in time; else more work would slow the machine."""
    return rung is Rung.CHALLENGER or version.slower_than_fallback


async def _in_time(outcome: "asyncio.Future[Outcome]", until: float | None) -> Outcome:
    """The outcome, unless the client's own deadline comes first."""
    if until is None:
        return await outcome
    try:
        async with asyncio.timeout(max(until - time.monotonic(), 0)):
            return await outcome
    except TimeoutError:
        return GaveUp("the client's deadline has come")


def _baseline(active: ActiveRelease, request: PredictRequest, seconds: float, failed: str) -> PredictResponse:
    values = [active.baseline] * len(request.bound.rows)
    names, rows, generation = active.binder.names, request.bound.rows, active.release.generation
    return PredictResponse(values, Rung.BASELINE, None, generation, names, rows, seconds, failed, active.output)


def _overloaded(version: Version) -> Overloaded:
    wait = version.batcher.wait_seconds
    message = f"{version.batcher.pending_rows} rows wait, for about {wait:.1f} s; try again later"
    return Overloaded(message, retry_seconds=max(1, math.ceil(wait)))


def _names_of(version: Version) -> Sequence[str]:
    assert version.binder is not None, "it has read rows"
    return version.binder.names


def _rows_for(version: Version, active: ActiveRelease, request: PredictRequest) -> Sequence[Row] | Busy:
    """The request's rows in the version's own order; Busy where the version reads columns that are not there."""
    if version.binder is active.binder:
        return request.bound.rows
    if version.binder is None:
        return Busy(f"the manifest of version {version.model.version} cannot be read")
    try:
        return version.binder.bind(request.table, active.also_known).rows
    except BadRequest as exc:
        return Busy(f"version {version.model.version} reads other columns: {exc}")
