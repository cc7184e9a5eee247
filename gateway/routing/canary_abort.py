"""Appends the abort of a trial to the release log: the only kind of release that the gateway writes."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime

import structlog

from gateway.guards.trial import ChallengerTrial
from gateway.reporting.events import EventSender
from healing.errors import Conflict, Corrupt, IllegalTransition, StoreUnavailable
from healing.incident import Cause
from healing.release import Release
from releases.log import ReleaseLog, abort_of, rollback_of

_log = structlog.get_logger(__name__)
_RETRY_SECONDS = 0.5
AUTHOR = "gateway"


class CanaryAbort:
    """The challenger has lost its traffic before; this retries until the release log has the abort."""

    def __init__(self, log: ReleaseLog, events: EventSender) -> None:
        self._log = log
        self._events = events
        self._writing: set[asyncio.Task[None]] = set()

    def begin(self, trial: ChallengerTrial, why: str) -> None:
        task = asyncio.create_task(self._write_until_written(trial, why))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def stop(self) -> None:
        for task in self._writing:
            task.cancel()
        await asyncio.gather(*self._writing, return_exceptions=True)

    async def _write_until_written(self, trial: ChallengerTrial, why: str) -> None:
        challenger = trial.challenger.model
        written: Release | None = None
        while True:
            try:
                written = await asyncio.to_thread(self._write, trial, why)
                break
            except Conflict:
                continue  # somebody wrote meanwhile; what they wrote decides whether there is still a trial to abort
            except (StoreUnavailable, Corrupt, IllegalTransition) as exc:
                _log.warning("abort_not_written", challenger=challenger.version, reason=str(exc))
                await asyncio.sleep(_RETRY_SECONDS)
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
