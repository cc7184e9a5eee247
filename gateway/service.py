"""One gateway, put together: what it consists of, in which order it starts, and in which it stops."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from types import TracebackType
from typing import Any, Self

import structlog

from gateway.abort import CanaryAbort
from gateway.app import PredictApp
from gateway.audit import ModelAudit
from gateway.cache import ReleaseCache
from gateway.events import EventSender
from gateway.guards.memory_watch import MemoryWatch
from gateway.guards.slow_model import SlowModelWatch
from gateway.guards.trial import Trial
from gateway.guards.trial_file import TrialFile
from gateway.ladder import Ladder
from gateway.log.predictions import LogLimits, PredictionLog
from gateway.metrics import Metrics
from gateway.ports.release_state import role_of
from gateway.problems import Problem, ProblemBoard
from gateway.release_watch import ReleaseWatch
from gateway.serving import Serving
from gateway.settings import GatewaySettings
from gateway.shadow import Shadow, ShadowLimits
from gateway.versions import Version, VersionPool
from gateway.workers.warm import WarmForks
from gateway.workers.worker import WorkerState
from healing.incident import Cause
from healing.release import Mode
from healing.trial_guard import CHECKS
from healing.trial_rules import Check
from releases.log import ReleaseLog

_log = structlog.get_logger(__name__)


class Gateway:
    """`async with Gateway(settings, forks) as gateway:` with started `forks`; StoreUnavailable: no log."""

    def __init__(self, settings: GatewaySettings, forks: WarmForks) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.problems = ProblemBoard()
        self.events = EventSender(settings.pipeline, settings.events_url)
        limits = LogLimits(settings.log_segment_bytes_max, settings.log_segment_age_seconds_max, settings.log_bytes_max)
        self.log = PredictionLog(settings.state_dir, self.problems, limits)
        self._trial_file = TrialFile(settings.state_dir / "trial.json", settings.trial_slow_seconds_min)
        self.ladder = Ladder(self.problems, settings.request_deadline_seconds, self._trial_file.begin)
        self._forks = forks
        cache = ReleaseCache(settings.state_dir / "cache", settings.release_root)
        self.pool = VersionPool(settings, cache, self._forks, self.problems)
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
        self._memory = MemoryWatch(self.pool.all, self.problems, settings.worker_memory_bytes_max)
        self._slow = SlowModelWatch(
            self._champion, self.problems, settings.model_slow_multiple, settings.model_slow_seconds_min
        )
        self._abort = CanaryAbort(releases, self.events)
        self._shadow_rows_before: Counter[str] = Counter()
        self._following: list[asyncio.Task[None]] = []
        self.problems.listeners += [self.events.send_problem, self._condemn_hopeless_challenger]
        self.ladder.on_condemned.append(self._abort_canary)
        self.ladder.on_serve.append(self._change_shadow)

    async def __aenter__(self) -> Self:
        self.log.open()
        self.events.start()
        self._follow(self.watch.follow(), "release-watch", "the release log is not followed any more")
        self._follow(
            self.predict.hangups.follow(), "hang-ups", "requests whose client has hung up are answered all the same"
        )
        self._follow(self._trial_file.follow(), "trial-file", "a restart of the gateway forgets the trial's evidence")
        self._follow(self._memory.follow(), "memory-watch", "workers may grow without end")
        self._follow(self._slow.follow(), "slow-model", "nobody looks whether the champion becomes slow")
        self._follow(self._audit.follow(), "model-audit", "published models are not looked after any more")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._following:
            task.cancel()
        await asyncio.wait(self._following)
        await self._trial_file.save()
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
        for check, log_e in self._evidence():
            metrics.trial_log_e.labels(check).set(log_e)
        metrics.events_dropped.set(self.events.dropped)
        current = [problem.code for problem in self.problems.current()]
        for cause in Cause:
            metrics.problems.labels(cause.value).set(current.count(cause))
        metrics.requests.abandoned = self.predict.hangups.ended
        metrics.requests.shadow_rows = self._shadow_rows()
        for version in versions:
            role, lately = role_of(version, active), version.window.lately()
            if lately.requests:
                metrics.error_share.labels(role).set(lately.errors / lately.requests)
            if lately.latency_p99_seconds is not None:
                metrics.latency_p99_seconds.labels(role).set(lately.latency_p99_seconds)
            if lately.confidence is not None:
                metrics.confidence.labels(role).set(lately.confidence)

    def _evidence(self) -> Iterator[tuple[str, float]]:
        """Each check and the natural log of its e-value; 0 for all while there is no trial."""
        trial = self.ladder.trial
        found = {} if trial is None else {state.check: state.log_e for state in trial.guard.states()}
        yield from ((check.value, found.get(check, 0.0)) for check in CHECKS)

    def _shadow_rows(self) -> Counter[str]:
        """Rows of the shadow on duty and of all before it."""
        shadow = self.predict.shadow
        return self._shadow_rows_before + (shadow.counts.outcomes() if shadow else Counter())

    def _follow(self, watch: Coroutine[Any, Any, None], name: str, told: str) -> None:
        """Run a watch. Answers go on without it, but nobody may think that it goes on."""

        def tell_end(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                _log.error("watch_ended", watch=name, exc_info=error)
                self.problems.begin(Cause.UNKNOWN, name, f"{told}: {error!r}")

        task = asyncio.create_task(watch, name=name)
        task.add_done_callback(tell_end)
        self._following.append(task)

    def _champion(self) -> Version | None:
        serving = self.ladder.serving
        return None if serving is None else serving.champion

    def _condemn_hopeless_challenger(self, problem: Problem) -> None:
        """A challenger that cannot be loaded again, or that keeps dying, ends its trial."""
        trial = self.ladder.trial
        if trial is None or problem.subject != trial.challenger.model.digest:
            return
        version = self.pool.get(problem.subject)
        if problem.code is Cause.MODEL_CORRUPT or (version and version.worker.state is WorkerState.SET_ASIDE):
            self.ladder.condemn(f"{Check.ERRORS.value}: {problem.message}")

    def _change_shadow(self, serving: Serving) -> None:
        """Begin the shadow of the release that is on duty now; what the one before still had waiting is dropped."""
        before, trial = self.predict.shadow, self.ladder.trial
        self.predict.shadow = None
        if trial is not None and trial.challenger.mode is Mode.SHADOW:
            limits = ShadowLimits.of(self.settings)
            self.predict.shadow = Shadow(serving, trial, self.ladder.judge, self.log, limits)
        if before is not None:
            before.stop()
            self._shadow_rows_before += before.counts.outcomes()

    def _abort_canary(self, trial: Trial, why: str) -> None:
        self._abort.begin(trial, why)
