"""Following the release log: look, load beside, switch in one step; on any doubt keep serving what serves."""

import asyncio

import structlog

from gateway.ladder import Ladder, Serving
from gateway.problems import ProblemBoard
from gateway.versions import Version, VersionPool, models_of
from healing.errors import LogCorrupt, StoreUnavailable
from healing.incident import Cause
from healing.release import Release
from releases.log import ReleaseLog

_log = structlog.get_logger(__name__)


class ReleaseWatch:
    """`desired` is the newest release of the log, `active` the one on duty; they differ while models load."""

    def __init__(
        self,
        log: ReleaseLog,
        subject: str,
        pool: VersionPool,
        ladder: Ladder,
        problems: ProblemBoard,
        poll_seconds: float,
    ) -> None:
        self.desired: Release | None = None
        self._log = log
        self._subject = subject
        self._pool = pool
        self._ladder = ladder
        self._problems = problems
        self._poll_seconds = poll_seconds

    @property
    def active(self) -> Release | None:
        return None if self._ladder.serving is None else self._ladder.serving.release

    async def follow(self) -> None:
        """Never returns; cancel it."""
        while True:
            await self.look()
            await asyncio.sleep(self._poll_seconds)

    async def look(self) -> None:
        """One look at the log, and a switch if what it asks for is ready."""
        try:
            newest = await asyncio.to_thread(self._log.latest_generation)
            if newest > (self.desired.generation if self.desired else 0):
                desired = await asyncio.to_thread(self._log.read, newest)
                await self._pool.ensure(desired)
                self.desired = desired
                _log.info("release_seen", generation=newest, reason=desired.reason, champion=desired.champion.version)
        except (StoreUnavailable, LogCorrupt) as exc:
            self._problems.begin(Cause.STORE_UNAVAILABLE, self._subject, str(exc))
            return
        self._problems.end(self._subject, Cause.STORE_UNAVAILABLE)
        if self.desired is not None and self.desired != self.active and self._switchable(self.desired):
            self._switch(self.desired)

    def _switchable(self, desired: Release) -> bool:
        """A release on duty gives way only to one whose models answer; the first one is taken as it is."""
        active = self.active
        trial = None if desired.challenger is None else desired.challenger.model
        needed = [desired.champion] if trial is None else [desired.champion, trial]
        if active is None:
            return all(self._pool[model.digest].worker.settled.is_set() for model in needed)
        on_duty = {model.digest for model in models_of(active)[: 1 + (active.challenger is not None)]}
        return all(model.digest in on_duty or self._pool[model.digest].worker.ready for model in needed)

    def _switch(self, desired: Release) -> None:
        trial = desired.challenger
        challenger: Version | None = None if trial is None else self._pool[trial.model.digest]
        fallbacks = [self._pool[model.digest] for model in desired.fallbacks]
        serving = Serving.of(desired, self._pool[desired.champion.digest], challenger, fallbacks)
        if serving is None:
            return
        self._ladder.serve(serving)
        self._pool.retire_all_but(model.digest for model in models_of(desired))
        _log.info(
            "release_active", generation=desired.generation, reason=desired.reason, champion=desired.champion.version
        )
