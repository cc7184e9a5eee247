"""One gateway, put together: what it consists of, in which order it starts, and in which it stops."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

import structlog

from gateway.abort import CanaryAbort
from gateway.app import PredictApp
from gateway.audit import ModelAudit
from gateway.cache import ReleaseCache
from gateway.events import EventSender
from gateway.guard import Trial
from gateway.ladder import Ladder
from gateway.metrics import Metrics
from gateway.predictions import PredictionLog
from gateway.problems import Problem, ProblemBoard
from gateway.release_watch import ReleaseWatch
from gateway.settings import GatewaySettings
from gateway.versions import VersionPool
from gateway.warm import WarmForks
from gateway.workers import WorkerState
from healing.incident import Cause
from releases.log import ReleaseLog

_log = structlog.get_logger(__name__)


class Gateway:
    """`async with Gateway(settings) as gateway:` serve `PredictPort(gateway)`. StoreUnavailable: no log."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.problems = ProblemBoard()
        self.events = EventSender(settings.pipeline, settings.events_url)
        self.log = PredictionLog(settings.state_dir, self.problems)
        self.ladder = Ladder(
            self.problems,
            settings.request_deadline_seconds,
            settings.canary_alpha,
            settings.canary_ratio_tolerated,
        )
        self._forks = WarmForks()
        cache = ReleaseCache(settings.state_dir / "cache", settings.release_root)
        self.pool = VersionPool(settings, cache, self._forks, self.problems, self.log)
        releases = ReleaseLog(settings.release_root)
        self.watch = ReleaseWatch(
            releases,
            cache,
            str(settings.release_root),
            self.pool,
            self.ladder,
            self.problems,
            settings.release_poll_seconds,
        )
        self.predict = PredictApp(self.ladder, self.pool, self.log, self.metrics, settings.body_bytes_max)
        self._audit = ModelAudit(cache, self.pool.all, self.problems, settings.model_audit_seconds)
        self._abort = CanaryAbort(releases, self.events)
        self._following: list[asyncio.Task[None]] = []
        self.problems.listeners += [self.events.send_problem, self._condemn_hopeless_challenger]
        self.ladder.on_condemned.append(self._abort_canary)

    async def __aenter__(self) -> Self:
        self.log.open()
        self._forks.start()
        self.events.start()
        self._follow(self.watch.follow(), "release-watch", "the release log is not followed any more")
        self._follow(self._audit.follow(), "model-audit", "published models are not looked after any more")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._following:
            task.cancel()
        await asyncio.wait(self._following)
        await self._abort.stop()
        await self.pool.stop()
        await self._forks.stop()
        await self.log.close()
        await self.events.stop()

    def refresh_metrics(self) -> None:
        """Set the gauges to what holds now; counters count by themselves."""
        metrics, versions = self.metrics, self.pool.all()
        desired, active = self.watch.desired, self.watch.active
        metrics.unlogged.set(self.log.unlogged)
        metrics.generation_desired.set(desired.generation if desired else 0)
        metrics.generation_active.set(active.generation if active else 0)
        metrics.workers_ready.set(sum(version.worker.ready for version in versions))
        metrics.worker_restarts.set(sum(version.worker.restarts for version in versions))
        metrics.canary_log_e.set(self.ladder.trial.test.log_e if self.ladder.trial else 0.0)
        metrics.events_dropped.set(self.events.dropped)
        current = [problem.code for problem in self.problems.current()]
        for cause in Cause:
            metrics.problems.labels(cause.value).set(current.count(cause))

    def _follow(self, watch: Coroutine[Any, Any, None], name: str, told: str) -> None:
        """Run a watch. Answers go on without it, but nobody may think that it goes on."""

        def tell_end(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                _log.error("watch_ended", watch=name, exc_info=error)
                self.problems.begin(Cause.UNKNOWN, name, f"{told}: {error!r}")

        task = asyncio.create_task(watch, name=name)
        task.add_done_callback(tell_end)
        self._following.append(task)

    def _condemn_hopeless_challenger(self, problem: Problem) -> None:
        """A challenger that cannot be loaded again, or that keeps dying, ends its trial."""
        trial = self.ladder.trial
        if trial is None or problem.subject != trial.challenger.model.digest:
            return
        version = self.pool.get(problem.subject)
        if problem.code is Cause.MODEL_CORRUPT or (version and version.worker.state is WorkerState.SET_ASIDE):
            self.ladder.condemn(problem.message)

    def _abort_canary(self, trial: Trial, why: str) -> None:
        self._abort.begin(trial, why)
