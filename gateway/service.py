"""One gateway, composed of its parts; the order in which they start and stop."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Self

import structlog

from gateway.batching import slow_model
from gateway.batching.slow_model import SlowModelWatch
from gateway.batching.versions import Version, VersionPool
from gateway.guards.trial import ChallengerTrial
from gateway.guards.trial_file import SAVE_SECONDS, TrialFile
from gateway.log.predictions import LogLimits
from gateway.log.redaction import LogRules, read_redaction
from gateway.ports.hangups import WATCH_AFTER_SECONDS
from gateway.ports.request_handler import RequestHandler
from gateway.ports.software import software_version
from gateway.ports.status.traffic import SAMPLE_SECONDS, TrafficHistory
from gateway.ports.tls import RELOAD_SECONDS, ServerTls
from gateway.reporting.events import EventSender
from gateway.reporting.loops import BackgroundLoops, LoopState
from gateway.reporting.problems import GatewayProblem, ProblemBoard
from gateway.reporting.request_tracer import RequestTracer
from gateway.request_parts import RequestParts
from gateway.routing.active_release import ActiveRelease
from gateway.routing.canary_abort import CanaryAbort
from gateway.routing.current_trial import CurrentTrial
from gateway.routing.model_audit import ModelAudit
from gateway.routing.release_watch import ReleaseWatch
from gateway.routing.shadow import GATHER_SECONDS, Shadow, ShadowLimits
from gateway.routing.standby import Standby
from gateway.settings import GatewaySettings
from gateway.workers import memory_watch
from gateway.workers.memory_watch import MemoryWatch
from gateway.workers.phase import WorkerPhase
from gateway.workers.release_cache import ReleaseCache
from gateway.workers.store_calls import CALLS_MAX, StoreCalls
from gateway.workers.warm import WarmForks
from healing.errors import StoreUnavailable
from healing.incident import Cause
from healing.release import Mode, Release
from healing.trial_rules import TrialCheck
from observability.span_export import SpanExport
from releases.log import ReleaseLog
from releases.trusted_log import TrustedLog

_log = structlog.get_logger(__name__)
_PROBLEMS_SECONDS = 0.2
_TRACES_SECONDS_MAX = 2.0  # at the end, for a collector that may be away
_SAVE_SECONDS_MAX = 5.0  # of a trial's evidence, on a disk that may hang


class Gateway:
    """`async with Gateway(settings, forks) as gateway:` with started `forks`; StoreUnavailable: no log."""

    def __init__(self, settings: GatewaySettings, forks: WarmForks) -> None:
        self.settings = settings
        self.tracer = None if settings.traces_url is None else _tracer(settings, settings.traces_url)
        self.tls = ServerTls.of(settings)
        self.board = ProblemBoard()
        self.events = EventSender(settings.pipeline, settings.events_url, settings.events_authorization)
        limits = LogLimits(settings.log_segment_bytes_max, settings.log_segment_age_seconds_max, settings.log_bytes_max)
        rules = LogRules(settings.log_drop, settings.log_hash, settings.log_share)
        redaction = read_redaction(rules, settings.log_key_file)
        parts = _parts(settings)
        self.log = parts.log(settings.state_dir, self.board, limits, redaction)
        save = partial(StoreCalls(calls_max=1).run, _SAVE_SECONDS_MAX)
        self._trial_file = TrialFile(settings.state_dir / "trial.json", settings.trial_slow_seconds_min, save)
        self.trials = CurrentTrial(self._trial_file.begin)
        self.ladder = parts.ladder(settings.request_deadline_seconds, self.trials)
        self._forks = forks
        store = StoreCalls(CALLS_MAX * settings.workers_per_version)
        cache = ReleaseCache(settings.state_dir / "cache", settings.root)
        self.pool = VersionPool(settings, cache, store, self._forks, self.board, parts.batcher)
        releases = ReleaseLog(settings.root)
        self.watch = ReleaseWatch(
            TrustedLog(releases, settings.public_key, settings.release_signatures),
            cache,
            store,
            str(settings.root),
            self.pool,
            self.ladder,
            self.board,
            settings.release_poll_seconds,
            settings.pipeline,
        )
        self.requests = RequestHandler(self.ladder, self.pool, self.log, settings)
        self._audit = ModelAudit(cache, store, self.pool.all, self.board)
        self._memory = MemoryWatch(self.pool.workers, self.board, settings.worker_memory_bytes_max)
        self._slow = SlowModelWatch(
            self._in_service, self.board, settings.model_slow_multiple, settings.model_slow_seconds_min
        )
        self._abort = CanaryAbort(releases, self.events)
        self._shadow_rows_before: Counter[str] = Counter()
        self.loops = BackgroundLoops(self.board)
        self.traffic = TrafficHistory(self)
        self.board.listeners += [self.events.send_problem]
        self.trials.on_abort.append(self._abort_canary)
        self.ladder.on_serve += [self._change_shadow, self._check_log_rules]

    async def stand_by(self, ending: asyncio.Event) -> bool:
        """Load models until no other gateway holds the state directory; false where `ending` was set before."""
        if await Standby(self.log.lock, self.watch).wait(ending):
            return True
        await self.pool.stop()
        await self._forks.stop()
        return False

    async def wait_for_release(self, seconds_max: float) -> None:
        """Return when a release is active or there is none to wait for, at the latest after `seconds_max`."""
        try:
            async with asyncio.timeout(seconds_max):
                await self.watch.settled.wait()
        except TimeoutError:
            _log.warning("no_release_active", waited_seconds=seconds_max)

    async def __aenter__(self) -> Self:
        self.log.open()
        self._start_loops()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.loops.stop()
        with contextlib.suppress(StoreUnavailable):  # it was reported while the gateway ran
            await self._trial_file.save()
        await self.log.close()  # a standby takes over from here on
        await self.pool.stop()
        await self._forks.stop()
        await self.events.close()
        if self.tracer is not None:
            await asyncio.to_thread(self.tracer.export.close, _TRACES_SECONDS_MAX)

    @property
    def active(self) -> ActiveRelease | None:
        return self.ladder.active

    @property
    def desired(self) -> Release | None:
        return self.watch.desired

    @property
    def versions(self) -> Sequence[Version]:
        return self.pool.all()

    @property
    def problems(self) -> Sequence[GatewayProblem]:
        return self.board.current()

    @property
    def trial(self) -> ChallengerTrial | None:
        return self.trials.trial

    @property
    def aborted(self) -> str | None:
        return self.trials.aborted

    @property
    def shadow(self) -> Shadow | None:
        return self.requests.shadow

    @property
    def shadow_rows(self) -> Counter[str]:
        return self._shadow_rows_before + (self.shadow.counts.outcomes() if self.shadow else Counter())

    @property
    def loop_states(self) -> Sequence[LoopState]:
        return self.loops.states

    @property
    def events_dropped(self) -> int:
        return self.events.dropped

    async def _read_problems(self) -> None:
        """Report conditions that nobody reads at `/release`, and abort a challenger that has no hope."""
        for problem in self.board.current():
            self._abort_hopeless_challenger(problem)

    def _start_loops(self) -> None:
        start, settings = self.loops.start, self.settings
        start("problems", self._read_problems, _PROBLEMS_SECONDS, "problems are reported only when somebody reads them")
        start("release-watch", self.watch.look, self.watch.period_seconds, "the release log is not followed")
        start("traffic-history", self._sample_traffic, SAMPLE_SECONDS, "the status page shows no new traffic")
        start("hang-ups", self.requests.hangups.look, WATCH_AFTER_SECONDS, "models compute for clients that hung up")
        start("trial-file", self._trial_file.save, SAVE_SECONDS, "a restart of the gateway loses the trial's evidence")
        start("memory-watch", self._memory.look, memory_watch.PERIOD_SECONDS, "workers may grow without limit")
        start("slow-model", self._slow.look, slow_model.PERIOD_SECONDS, "a slow champion is not noticed")
        start("abort-writer", self._abort.write, 0.0, "an aborted challenger stays in the release log")
        start("shadow", self._score_shadow, GATHER_SECONDS, "a shadow scores nothing")
        if self.tls is not None:
            start("tls", self.tls.look, RELOAD_SECONDS, "the certificate that was loaded before stays in use", 2)
        if settings.events_url is not None:
            start("events", self.events.send_next, 0.0, "Prefect gets no events, and repairs begin later")
        start("model-audit", self._audit.look, settings.model_audit_seconds, "published models are not checked")

    async def _sample_traffic(self) -> None:
        self.traffic.sample()

    async def _score_shadow(self) -> None:
        if self.shadow is not None:
            await self.shadow.score_waiting()

    def _in_service(self) -> Sequence[Version]:
        """The champion and its fallbacks."""
        return () if self.active is None else (self.active.champion, *self.active.fallbacks)

    def _abort_hopeless_challenger(self, problem: GatewayProblem) -> None:
        """A challenger that cannot be loaded again, or that keeps dying, ends its trial."""
        trial = self.trials.trial
        if trial is None or problem.subject != trial.challenger.model.digest:
            return
        version = self.pool.get(problem.subject)
        if problem.code is Cause.MODEL_CORRUPT or (version and version.workers.state is WorkerPhase.SET_ASIDE):
            self.trials.abort(f"{TrialCheck.ERRORS.value}: {problem.message}")

    def _change_shadow(self, active: ActiveRelease) -> None:
        """Start the shadow of the active release; the waiting copies of the shadow before are dropped."""
        before, trial = self.requests.shadow, self.trials.trial
        self.requests.shadow = None
        if trial is not None and trial.challenger.mode is Mode.SHADOW:
            limits = ShadowLimits.of(self.settings)
            self.requests.shadow = Shadow(active, trial, self.trials.judge, self.log, limits)
        if before is not None:
            before.stop()
            self._shadow_rows_before += before.counts.outcomes()

    def _check_log_rules(self, active: ActiveRelease) -> None:
        if self.log.redaction is not None:
            self.log.redaction.follow(active.columns)

    def _abort_canary(self, trial: ChallengerTrial, why: str) -> None:
        self._abort.begin(trial, why)


def _parts(settings: GatewaySettings) -> RequestParts:
    """What requests pass through: the plain parts, unless there is an address for traces."""
    if settings.traces_url is None:
        return RequestParts()
    from gateway.tracing.parts import TRACED_PARTS

    return TRACED_PARTS


def _tracer(settings: GatewaySettings, url: str) -> RequestTracer:
    """ConfigError where the extra `otel` is not installed."""
    resource = {
        "service.name": "autopilot-gateway",
        "service.version": software_version(),
        "autopilot.pipeline": settings.pipeline,
    }
    return RequestTracer(SpanExport(url, resource), settings.traces_ratio)
