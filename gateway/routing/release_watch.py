"""Follows the release log: reads it, loads new models beside the active ones, and switches in one step.

What serves is kept beside the prediction log, so that a gateway that starts while the release root is away begins with
the last release that it served, and follows the log again when it is back.
"""

import asyncio

import structlog

from gateway.batching.versions import Version, VersionPool, models_of
from gateway.reporting.problems import ProblemBoard
from gateway.routing.active_release import ActiveRelease
from gateway.routing.ladder import Ladder
from gateway.workers.phase import WorkerPhase
from gateway.workers.release_cache import ReleaseCache
from gateway.workers.store_calls import StoreCalls
from healing.errors import LogCorrupt, StoreUnavailable
from healing.incident import Cause
from healing.release import Release
from releases.trusted_log import TrustedLog

_log = structlog.get_logger(__name__)
_LOADING_POLL_SECONDS = 0.02
_LOG_SECONDS = 5.0


class ReleaseWatch:
    """`desired` is the newest release of the log, `active` the one that serves; they differ while models load."""

    def __init__(
        self,
        log: TrustedLog,
        cache: ReleaseCache,
        store: StoreCalls,
        subject: str,
        pool: VersionPool,
        ladder: Ladder,
        problems: ProblemBoard,
        poll_seconds: float,
        pipeline: str,
    ) -> None:
        self.desired: Release | None = None
        self.settled = asyncio.Event()  # set once a release is active, or there is none to wait for
        self._prepared: Release | None = None
        self._log = log
        self._cache = cache
        self._store = store
        self._kept: Release | None = None
        self._refusal = ""  # why the newest releases of the log are not obeyed
        self._subject = subject
        self._pool = pool
        self._ladder = ladder
        self._problems = problems
        self._poll_seconds = poll_seconds
        self._pipeline = pipeline

    @property
    def active(self) -> Release | None:
        return None if self._ladder.active is None else self._ladder.active.release

    def period_seconds(self) -> float:
        """Time until the next look; short while models load."""
        waits = self.desired is not None and self.desired != self.active
        return min(self._poll_seconds, _LOADING_POLL_SECONDS) if waits else self._poll_seconds

    async def look(self) -> None:
        """One look at the log, and a switch if what it asks for is ready."""
        await self._follow()
        if self.active is not None or self.desired is None:
            self.settled.set()

    async def prepare(self) -> bool:
        """Have workers for the models of the newest release and no others; whether all have loaded.

        For a gateway that does not serve yet: nothing becomes active, and no problem is reported.
        """
        try:
            newest = await self._store.run(_LOG_SECONDS, self._newer)
        except (StoreUnavailable, LogCorrupt):
            newest = await self._store.run(_LOG_SECONDS, self._cache.newest)
        if newest is None:
            return True
        if newest != self._prepared:
            await self._pool.ensure(newest)
            self._pool.retire_all_but(model.digest for model in models_of(newest))
            self._prepared = newest
        return all(version.workers.settled for version in self._pool.all())

    async def _follow(self) -> None:
        try:
            desired = await self._store.run(_LOG_SECONDS, self._newer)
        except (StoreUnavailable, LogCorrupt) as exc:
            await self._go_on_without_log(exc)
        else:
            self._problems.end(self._subject, Cause.STORE_UNAVAILABLE)
            self._report_refusal()
            if desired is not None:
                await self._want(desired)
        if self.desired is None:
            return
        await self._pool.describe()
        if self.desired != self.active and self._switchable(self.desired):
            self._switch(self.desired)
        await self._keep()

    def _newer(self) -> Release | None:
        """The newest release, if it is another than the desired one.

        StoreUnavailable when the log ends before it: a log is never shortened, so that directory is not the log now.
        """
        newest = self._log.log.latest_generation()
        known = self.desired or (self._cache.newest() if newest == 0 else None)
        if known is not None and newest < known.generation:
            raise StoreUnavailable(
                f"expected release {known.generation} or a later one in {self._subject}, found {newest or 'none'}; "
                "bring the release root back"
            )
        if newest == 0 or (known is not None and newest == known.generation):
            self._refusal = ""
            return None
        release, self._refusal = self._log.newest(after=0 if known is None else known.generation)
        return None if release is None else self._of_pipeline(release)

    def _report_refusal(self) -> None:
        if self._refusal:
            served = "nothing serves" if self.desired is None else f"release {self.desired.generation} goes on serving"
            message = f"{self._refusal}; {served}: find out who wrote it, and move its document out of the log"
            self._problems.begin(Cause.UNKNOWN, self._subject, message)
        else:
            self._problems.end(self._subject, Cause.UNKNOWN)

    def _of_pipeline(self, release: Release) -> Release:
        """The release, if it is one of the pipeline that this gateway serves."""
        if release.pipeline != self._pipeline:
            raise StoreUnavailable(
                f"expected releases of pipeline {self._pipeline!r} in {self._subject}, found {release.pipeline!r}; "
                "correct --pipeline or --release-root"
            )
        return release

    async def _want(self, desired: Release) -> None:
        await self._pool.ensure(desired)
        self.desired = desired
        _log.info(
            "release_seen", generation=desired.generation, reason=desired.reason, champion=desired.champion.version
        )

    async def _go_on_without_log(self, error: StoreUnavailable | LogCorrupt) -> None:
        """Serve the active release, or the last active one if none is active yet."""
        if self.desired is None and (kept := await self._store.run(_LOG_SECONDS, self._cache.newest)) is not None:
            await self._want(kept)
            self._kept = kept
        served = f"; serving release {self.desired.generation} from this gateway's copy" if self.desired else ""
        self._problems.begin(Cause.STORE_UNAVAILABLE, self._subject, f"{error}{served}")

    async def _keep(self) -> None:
        """Keep a copy of the active release, and of no models but those that are loaded."""
        active = self.active
        if active is None or active == self._kept:
            return
        subject = f"copy of release {active.generation}"
        try:
            await self._store.run(
                _LOG_SECONDS, self._cache.remember, active, {v.model.digest for v in self._pool.all()}
            )
        except (OSError, StoreUnavailable) as exc:
            self._problems.begin(Cause.STORE_UNAVAILABLE, str(self._cache.directory), f"no {subject} is kept: {exc}")
            return
        self._problems.end(str(self._cache.directory), Cause.STORE_UNAVAILABLE)
        self._kept = active

    def _switchable(self, desired: Release) -> bool:
        """The active release is replaced only by one whose champion answers; the first one is taken as it is.

        A challenger either answers, too, or never will: then its trial has to begin, to be aborted.
        """
        active = self.active
        trial = None if desired.challenger is None else desired.challenger.model
        if active is None:
            needed = [desired.champion] if trial is None else [desired.champion, trial]
            return all(self._pool[model.digest].workers.settled for model in needed)
        on_duty = {model.digest for model in models_of(active)[: 1 + (active.challenger is not None)]}
        answering = desired.champion.digest in on_duty or self._pool[desired.champion.digest].workers.ready
        if trial is None or not answering or trial.digest in on_duty:
            return answering
        return self._pool[trial.digest].workers.ready or self._is_hopeless(trial.digest)

    def _is_hopeless(self, digest: str) -> bool:
        """Whether a model is corrupt or keeps dying, so that no waiting makes it answer."""
        set_aside = self._pool[digest].workers.state is WorkerPhase.SET_ASIDE
        return set_aside or self._problems.has(Cause.MODEL_CORRUPT, digest)

    def _switch(self, desired: Release) -> None:
        trial = desired.challenger
        challenger: Version | None = None if trial is None else self._pool[trial.model.digest]
        fallbacks = [self._pool[model.digest] for model in desired.fallbacks]
        active = ActiveRelease.of(desired, self._pool[desired.champion.digest], challenger, fallbacks)
        if active is None:
            return
        self._ladder.serve(active)
        self._pool.retire_all_but(model.digest for model in models_of(desired))
        _log.info(
            "release_active", generation=desired.generation, reason=desired.reason, champion=desired.champion.version
        )
