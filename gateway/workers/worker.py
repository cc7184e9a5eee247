"""The worker process of one model version: started, watched, restarted with back-off, set aside when it keeps dying."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import structlog

from gateway.reporting.problems import ProblemBoard
from gateway.workers.channel import Channel, WorkerGone
from gateway.workers.memory import resident_bytes
from gateway.workers.order import LoadOrder
from gateway.workers.phase import WorkerEvent, WorkerPhase, after
from gateway.workers.restarts import DEATHS_WINDOW_SECONDS, RestartRecord
from gateway.workers.timing import WorkerTiming
from gateway.workers.warm import ForkFailed, WarmForks
from healing.errors import ModelCorrupt, StoreUnavailable, Transient
from healing.incident import Cause
from healing.release import ModelRef

_log = structlog.get_logger(__name__)
_FORK_SECONDS = 10.0  # for a fork that takes milliseconds, on a machine that is overloaded
_WARM_BATCHES = 10  # a fresh process answers its first ones from cold caches and unmapped pages


class BatchLost(Transient):
    """A worker did not answer a batch."""


class WorkerAbsent(BatchLost):
    """The worker is not ready; the batch was not sent."""


class WorkerSilent(BatchLost):
    """The worker did not answer within the batch deadline."""


class WorkerDied(BatchLost):
    """The worker ended while it had the batch."""


class Worker:
    """The process behind one version. `start` once; it then looks after itself until `retire` or `stop`.

    `settled` is set once the first load has ended, well or not: a release may be switched to then. `on_change` is
    called at each change of `state`. A worker that was set aside is tried again now and then while `is_backed`.
    """

    def __init__(
        self,
        model: ModelRef,
        obtain: Callable[[ModelRef], Awaitable[Path]],
        order: LoadOrder,
        forks: WarmForks,
        problems: ProblemBoard,
        timing: WorkerTiming,
    ) -> None:
        self.model = model
        self.state = WorkerPhase.STARTING
        self.on_change: Callable[[], None] = _nothing
        self.is_backed: Callable[[], bool] = _never  # whether another worker of the version is ready
        self.batches_under_way = 0
        self.missing_since: float | None = time.monotonic()  # None while it is ready
        self.restarts = 0
        self.resident_bytes_when_ready = 0
        self.set_aside_because = ""
        self.settled = asyncio.Event()
        self._obtain = obtain
        self._order = order
        self._forks = forks
        self._problems = problems
        self._timing = timing
        self._channel: Channel | None = None
        self._record = RestartRecord(timing)
        self.batches = 0  # that were answered, over all its processes
        self._batches_when_ready = 0
        self._wanted = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self._retired = False

    @property
    def pid(self) -> int | None:
        return None if self._channel is None or self._channel.gone.done() else self._channel.pid

    @property
    def ready(self) -> bool:
        return self.state is WorkerPhase.READY

    @property
    def warm(self) -> bool:
        """Whether this process has answered enough for its times to say something."""
        return self.batches - self._batches_when_ready >= _WARM_BATCHES

    def _happens(self, event: WorkerEvent) -> None:
        before, self.state = self.state, after(self.state, event)
        if self.state is before:
            return
        if self.ready:
            self.missing_since = None
        elif before is WorkerPhase.READY:
            self.missing_since = time.monotonic()
        self.on_change()

    def start(self) -> None:
        self._life = asyncio.create_task(self._live(), name=f"worker-{self.model.version}")

    def retire(self) -> None:
        """Answer the requests that still know this version, start no further process, and report no problem any more.

        No release names the model, so its copy may be gone. A later release may name it again, with another worker.
        """
        self._retired = True
        self._problems.end(self.model.digest)

    async def stop(self) -> None:
        """End the process and the watch over it."""
        if self._life is not None:
            self._life.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._life
        self._happens(WorkerEvent.STOP)

    def restart(self, *, on_probation: bool = False) -> None:
        """Start over now, with a clean record, or with one that bears no further death `on_probation`."""
        if on_probation:
            self._record.put_on_probation(asyncio.get_running_loop().time())
        else:
            self._record.clear()
        if self._channel is not None:
            self._channel.kill()
        self._wanted.set()

    def end_process(self) -> None:
        """End the process as it is; another one starts, as after any death."""
        if self._channel is not None:
            self._channel.kill()

    async def predict(self, columns: bytes) -> tuple[Sequence[float], str]:
        """A value for each row of the batch, and a note on rows that are NaN; raises BatchLost."""
        if not self.ready or self._channel is None:
            raise WorkerAbsent(f"version {self.model.version} is {self.state}")
        channel = self._channel
        answer = channel.ask(columns)
        self.batches_under_way += 1
        try:
            async with asyncio.timeout(self._timing.batch_deadline):
                answered = await asyncio.shield(answer)
        except TimeoutError as exc:
            self._wait_out(channel, answer)
            raise WorkerSilent(f"version {self.model.version} was silent for {self._timing.batch_deadline} s") from exc
        except WorkerGone as exc:
            if channel is self._channel:
                self._happens(WorkerEvent.ENDED)  # so that it gets no further batch before its end is reaped
            raise WorkerDied(f"version {self.model.version} ended on a batch: {exc}") from exc
        finally:
            self.batches_under_way -= 1
        self.batches += 1
        return answered

    def _wait_out(self, channel: Channel, answer: "asyncio.Future[tuple[Sequence[float], str]]") -> None:
        """Send a silent worker nothing more; it may still come back by itself, and is killed if it does not."""
        self._happens(WorkerEvent.DEADLINE)

        def end() -> None:
            _log.warning("worker_hangs", version=self.model.version, digest=self.model.digest, pid=channel.pid)
            channel.kill()

        timer = asyncio.get_running_loop().call_later(self._timing.hang, end)

        def came_back(future: "asyncio.Future[tuple[Sequence[float], str]]") -> None:
            timer.cancel()
            if not future.cancelled() and future.exception() is None and self._channel is channel:
                self._happens(WorkerEvent.ANSWERED)

        answer.add_done_callback(came_back)

    async def _live(self) -> None:
        """Start a process, wait for its end, and again until the version retires."""
        while not self._retired:
            self._wanted.clear()
            self._happens(WorkerEvent.START)
            try:
                message = await self._live_once(await self._obtain(self.model))
            except (ForkFailed, OSError) as exc:
                message = f"no worker could be started: {exc}"
            except ModelCorrupt as exc:
                message = str(exc)
                self._report(Cause.MODEL_CORRUPT, message)
            except StoreUnavailable as exc:
                message = str(exc)
                self._report(Cause.STORE_UNAVAILABLE, message)
            self._happens(WorkerEvent.ENDED)
            self._count_death(message)
            self.settled.set()
            await self._pause()

    async def _live_once(self, model_dir: Path) -> str:
        """From the fork to the end of one process; returns how it ended."""
        self._channel = channel = await Channel.open(self._forks.fork(model_dir, self._order))
        message = ""
        try:
            message = await self._load(channel)
            if self.ready:
                await channel.gone
                self._happens(WorkerEvent.ENDED)
        finally:
            channel.kill()
            ending = await channel.reap()
        _log.warning("worker_ended", version=self.model.version, pid=channel.pid, ending=ending, reason=message)
        return message or f"the worker of version {self.model.version} {ending}"

    async def _load(self, channel: Channel) -> str:
        """Wait until the model is verified and warm; returns why it is not, or nothing."""
        digest, version = self.model.digest, self.model.version
        try:
            await self._wait_for_fork(channel)
            async with asyncio.timeout(self._timing.load_deadline):
                await channel.ready
        except ModelCorrupt as exc:
            self._report(Cause.MODEL_CORRUPT, str(exc))
            return str(exc)
        except WorkerGone as exc:
            return f"version {version} did not load: {exc}"
        except TimeoutError:
            return f"version {version} did not load within {self._timing.load_deadline} s"
        assert channel.pid is not None
        self.resident_bytes_when_ready = resident_bytes(channel.pid)
        self._batches_when_ready = self.batches
        self._happens(WorkerEvent.LOADED)
        self._problems.end(digest, Cause.MODEL_CORRUPT, Cause.STORE_UNAVAILABLE)
        _log.info("worker_ready", version=version, digest=digest, pid=channel.pid)
        self.settled.set()
        return ""

    def _report(self, cause: Cause, message: str) -> None:
        if not self._retired:
            self._problems.begin(cause, self.model.digest, message)

    async def _wait_for_fork(self, channel: Channel) -> None:
        """Wait for the process to begin. A fork server that forks nothing is replaced: it may be stopped, or hang."""
        seconds = _FORK_SECONDS if self._forks.warm else self._timing.load_deadline
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(channel.started)
        except TimeoutError:
            why = f"the fork server started no worker within {seconds:.0f} s"
            self._forks.replace(why)
            raise WorkerGone(f"{why}; it is replaced") from None

    def _count_death(self, message: str) -> None:
        often = self._record.died(asyncio.get_running_loop().time())
        self.restarts += 1
        elsewhere = (Cause.MODEL_CORRUPT, Cause.STORE_UNAVAILABLE)  # what ends by itself is tried again and again
        if often and not any(self._problems.has(cause, self.model.digest) for cause in elsewhere):
            self._happens(WorkerEvent.GAVE_UP)
            self.set_aside_because = (
                f"{self._timing.deaths_max} deaths within {DEATHS_WINDOW_SECONDS:.0f} s, the last: {message}"
            )

    async def _pause(self) -> None:
        """Wait before the next start: longer each time, and until asked or backed by another worker when set aside."""
        aside = self.state is WorkerPhase.SET_ASIDE
        while not self._wanted.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._timing.aside if aside else self._record.pause_seconds):
                    await self._wanted.wait()
            if not aside:
                return
            if self.is_backed() and not self._wanted.is_set():
                self._record.put_on_probation(asyncio.get_running_loop().time())
                return


def _nothing() -> None:
    """What happens at a change of state where nobody listens."""


def _never() -> bool:
    return False
