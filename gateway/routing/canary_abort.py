"""Appends the abort of a trial to the release log: the only kind of release that the gateway writes."""

import asyncio
from collections import deque
from dataclasses import asdict
from datetime import UTC, datetime

import structlog

from gateway.guards.trial import ChallengerTrial
from gateway.reporting.events import EventSender
from gateway.workers.store_calls import StoreCalls
from healing.errors import Conflict
from healing.incident import Cause
from healing.release import Release
from releases.log import ReleaseLog, abort_of, rollback_of

_log = structlog.get_logger(__name__)
_WRITE_SECONDS = 5.0
_CALLS_MAX = 2  # writes that hang at once; each tries the same
AUTHOR = "gateway"


class CanaryAbort:
    """The challenger has lost its traffic before; `write` runs again and again until the release log has the abort.

    A release root that hangs holds up nothing but these writes, which have threads of their own.
    """

    def __init__(self, log: ReleaseLog, events: EventSender) -> None:
        self._log = log
        self._events = events
        self._calls = StoreCalls(calls_max=_CALLS_MAX)
        self._waiting: deque[tuple[ChallengerTrial, str]] = deque()
        self._wanted = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many aborts are not in the release log yet."""
        return len(self._waiting)

    def begin(self, trial: ChallengerTrial, why: str) -> None:
        self._waiting.append((trial, why))
        self._wanted.set()

    async def write(self) -> None:
        """Wait for an abort and write it; raises AutopilotError where that has to be tried again."""
        await self._wanted.wait()
        trial, why = self._waiting[0]
        await self._write_until_decided(trial, why)
        self._waiting.popleft()
        if not self._waiting:
            self._wanted.clear()

    async def _write_until_decided(self, trial: ChallengerTrial, why: str) -> None:
        challenger = trial.challenger.model
        while True:
            try:
                written = await self._calls.run(_WRITE_SECONDS, self._write, trial, why)
                break
            except Conflict:
                continue  # somebody wrote meanwhile; what they wrote decides whether there is still a trial to abort
        if written is None:
            _log.info("abort_not_needed", challenger=challenger.version, digest=challenger.digest, reason=why)
        else:
            _log.warning("canary_aborted", challenger=challenger.version, digest=challenger.digest, reason=why)
            self._notify(trial, written, why)

    def _write(self, trial: ChallengerTrial, why: str) -> Release | None:
        """Append the abort; None when the challenger serves nobody any more, which is what an abort is for."""
        challenger = trial.challenger.model
        current = self._log.current()
        if current is None:
            return None
        if current.author == AUTHOR and why in current.note and current.fence_of(challenger.digest) is not None:
            return current  # written by an earlier call that took too long
        if current.champion.digest == challenger.digest:
            return self._roll_back(current, trial, why)
        if current.challenger is None or current.challenger.model.digest != challenger.digest:
            return None
        release = abort_of(current, author=AUTHOR, now=datetime.now(UTC), note=why, fence=True)
        self._log.append(release)
        return release

    def _roll_back(self, current: Release, trial: ChallengerTrial, why: str) -> Release:
        """Undo a promotion that was committed while the challenger's check failed here."""
        note = f"promoted while its trial was being aborted; {why}"
        to, baseline, now = trial.champion, trial.baseline, datetime.now(UTC)
        release = rollback_of(current, to, baseline, author=AUTHOR, now=now, note=note, fallbacks=current.fallbacks)
        self._log.append(release)
        return release

    def _notify(self, trial: ChallengerTrial, written: Release, why: str) -> None:
        challenger, champion = trial.arms[True], trial.arms[False]
        self._events.send(
            "autopilot.canary.aborted",
            cause=Cause.BAD_CANDIDATE,
            subject=trial.challenger.model.digest,
            summary=why,
            facts={
                "version": trial.challenger.model.version,
                "generation": written.generation,
                "weight": trial.challenger.weight,
                "challenger_requests": challenger.requests,
                "challenger_errors": challenger.errors,
                "champion_requests": champion.requests,
                "champion_errors": champion.errors,
                "checks": {state.check.value: asdict(state) for state in trial.guard.states()},
            },
        )
