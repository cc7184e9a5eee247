"""What the outcomes of one request mean for its versions: breaker, recent requests, trial, and the log's `failed`.

A version is blamed for a failure where another version answered the same rows, or where it was the only one that
failed. Where several versions fail on the same rows, the rows are odd. A version that has no other beside it is never
blamed for a row.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

from gateway.batching.outcomes import Answered, Crashed, Outcome, RowRefused, Silent
from gateway.batching.versions import Version
from gateway.routing.active_release import ActiveRelease
from gateway.routing.current_trial import CurrentTrial
from gateway.routing.request import PredictRequest


class Attempt(NamedTuple):
    """One version that a request was sent to, and its outcome after `seconds`."""

    version: Version
    outcome: Outcome
    seconds: float

    @property
    def failed(self) -> bool:
        """Whether it counts as a failure: of a batch that was lost, only for the first request that was in it."""
        match self.outcome:
            case RowRefused():
                return True
            case Silent(first=first) | Crashed(first=first):
                return first
            case _:
                return False


class Accounting:
    """Every answered or lost request passes through `settle` exactly once."""

    def __init__(self, trials: CurrentTrial) -> None:
        self._trials = trials

    def settle(
        self, active: ActiveRelease, request: PredictRequest, attempts: Sequence[Attempt], *, chosen: bool
    ) -> str:
        """Feed the guards with the attempts of one request, in their order.

        Returns the digest of the version that was asked first if it is to blame for a failure, else nothing.
        """
        first, last = attempts[0], attempts[-1]
        answered = isinstance(last.outcome, Answered)
        if isinstance(last.outcome, Answered):
            self._count_answer(last.version, request, last.seconds, last.outcome.values[0])
        self._observe_first(active, request, first, chosen=chosen)
        if answered and first is last:
            return ""
        failures = [attempt for attempt in attempts if attempt.failed]
        if not failures or not (answered or len(failures) == 1):
            return ""
        blamed = [attempt for attempt in failures if self._blame(attempt, request, beside=answered)]
        if first not in blamed:
            return ""
        if (trial := self._trials.canary_of(active)) is not None:
            trial.observe_failure(challenger=chosen, route_key=request.route_key)
            self._trials.judge()
        return first.version.model.digest

    def _count_answer(self, version: Version, request: PredictRequest, seconds: float, value: float) -> None:
        version.window.answered(seconds, value)
        version.refused_rows.answered(tuple(request.bound.rows[0]), request.route_key)
        version.breaker.record(failed=False, now=time.monotonic())

    def _blame(self, attempt: Attempt, request: PredictRequest, *, beside: bool) -> bool:
        """Count a failure of a version; false where the row is to blame, as no other version answered it."""
        version, failed = attempt.version, True
        if isinstance(attempt.outcome, RowRefused):
            if not beside:
                return False
            failed = version.refused_rows.refused(tuple(request.bound.rows[0]), request.route_key)
        version.window.failed()
        version.breaker.record(failed=failed, now=time.monotonic())
        return True

    def _observe_first(self, active: ActiveRelease, request: PredictRequest, first: Attempt, *, chosen: bool) -> None:
        """Let the trial observe the version that the request was assigned to: its time and answer, or a wait in vain.

        A client that gives up or hangs up waited at least that long, so a version cannot hide behind lost patience.
        """
        trial = self._trials.canary_of(active)
        if trial is None or first.failed:
            return
        key, version = request.route_key, first.version
        if isinstance(first.outcome, Answered):
            value = first.outcome.values[0]
            trial.observe_answer(version, challenger=chosen, seconds=first.seconds, answer=value, route_key=key)
        else:
            foreseen = version.batcher.wait_seconds if version.batcher.full else 0.0
            trial.observe_wait(version, challenger=chosen, seconds=first.seconds + foreseen, route_key=key)
        self._trials.judge()
