"""The workers of one version: any of them takes a batch, and the version answers while at least one is ready."""

import time
from collections import deque
from collections.abc import Iterator, Sequence

from gateway.workers.phase import WorkerPhase
from gateway.workers.worker import Worker
from healing.release import ModelRef

_RESTARTED = (WorkerPhase.SILENT, WorkerPhase.FAILED, WorkerPhase.SET_ASIDE)  # by a release that names their model
OUTGROWN_MAX = 2  # within an hour: once may be an odd request, and each time costs the requests of one restart
OUTGROWN_WINDOW_SECONDS = 3600.0
_MISSING_SECONDS = 60.0  # a hang is found and ended, and a restart done, in less; also on a busy machine
# The state of a version is that of its worker which is nearest to answering.
_NEAREST = (
    WorkerPhase.READY,
    WorkerPhase.SILENT,
    WorkerPhase.STARTING,
    WorkerPhase.FAILED,
    WorkerPhase.SET_ASIDE,
    WorkerPhase.STOPPED,
)


class WorkerGroup:
    """One or more workers of the same model, in a fixed order. `ready_count` of them may get batches now."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.all = tuple(workers)
        self.model: ModelRef = self.all[0].model
        self.ready_count = 0
        self._ready_since = 0.0  # when a first worker became ready
        self._outgrown_at: deque[float] = deque(maxlen=OUTGROWN_MAX)
        for worker in self.all:
            worker.on_change = self._count_ready
            worker.is_backed = self._is_ready

    def _count_ready(self) -> None:
        before, self.ready_count = self.ready_count, sum(worker.ready for worker in self.all)
        if not before:
            self._ready_since = time.monotonic()

    def _is_ready(self) -> bool:
        return self.ready

    @property
    def ready(self) -> bool:
        return self.ready_count > 0

    @property
    def complete(self) -> bool:
        return self.ready_count == len(self.all)

    @property
    def state(self) -> WorkerPhase:
        """The state of the worker that is nearest to answering."""
        return min((worker.state for worker in self.all), key=_NEAREST.index)

    @property
    def settled(self) -> bool:
        """Whether a worker is ready, or the first load of every worker has ended."""
        return self.ready or all(worker.settled.is_set() for worker in self.all)

    @property
    def warm(self) -> bool:
        """Whether every worker that gets batches has answered enough for its times to say something."""
        return all(worker.warm for worker in self.all if worker.ready)

    @property
    def batches(self) -> int:
        """Batches that were answered, over all processes."""
        return sum(worker.batches for worker in self.all)

    @property
    def restarts(self) -> int:
        return sum(worker.restarts for worker in self.all)

    @property
    def set_aside_because(self) -> str:
        """Why the first worker that is set aside is; empty where none is."""
        aside = (worker.set_aside_because for worker in self.all if worker.state is WorkerPhase.SET_ASIDE)
        return next(aside, "")

    def outgrew(self) -> None:
        """Take that one of the workers grew beyond its memory limit now."""
        self._outgrown_at.append(time.monotonic())

    @property
    def keeps_growing(self) -> bool:
        """Whether workers outgrew their limit again after a restart: the model grows, and no restart ends that."""
        within = self._outgrown_at and time.monotonic() - self._outgrown_at[0] <= OUTGROWN_WINDOW_SECONDS
        return bool(within) and len(self._outgrown_at) == OUTGROWN_MAX

    def start(self) -> None:
        for worker in self.all:
            worker.start()

    async def predict(self, columns: bytes) -> tuple[Sequence[float], str]:
        """The answer of the ready worker with the fewest batches; raises BatchLost."""
        if len(self.all) == 1:
            return await self.all[0].predict(columns)
        ready = [worker for worker in self.all if worker.ready]
        chosen = min(ready or self.all, key=lambda worker: worker.batches_under_way)
        return await chosen.predict(columns)

    def restart(self) -> None:
        """Replace every process. A worker that was set aside is set aside again by its next death."""
        for worker in self.all:
            worker.restart(on_probation=worker.state is WorkerPhase.SET_ASIDE)

    def restart_ended(self) -> None:
        """Start the workers over that do not answer, with a clean record."""
        for worker in self.all:
            if worker.state in _RESTARTED:
                worker.restart()

    def retire(self) -> None:
        for worker in self.all:
            worker.retire()

    async def stop(self) -> None:
        for worker in self.all:
            await worker.stop()

    def missing(self) -> Iterator[str]:
        """A message for each worker that has not been ready for a while although another of the version is."""
        if not self.ready:
            return
        now = time.monotonic()
        for number, worker in enumerate(self.all, 1):
            set_aside = worker.state is WorkerPhase.SET_ASIDE
            since = now if worker.missing_since is None else max(worker.missing_since, self._ready_since)
            if set_aside or now - since > _MISSING_SECONDS:
                why = f": {worker.set_aside_because}" if set_aside else ""
                yield (
                    f"worker {number} of {len(self.all)} of version {self.model.version} is {worker.state}{why}; "
                    f"{self.ready_count} answer"
                )
