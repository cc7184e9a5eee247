"""Background loops: each runs one step again and again, outlives every error of it, and shows how it is doing."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from gateway.reporting.problems import ProblemBoard
from healing.incident import Cause

_log = structlog.get_logger(__name__)
_AFTER_ERROR_SECONDS = 0.5  # at least, before a step that failed is run again
Step = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class LoopState:
    """How a loop is doing. `error` is the last one, empty once a step went well again."""

    name: str
    runs: int = 0
    failures: int = 0
    in_row: int = 0  # failures since the last step that went well
    error: str = ""
    finished_at: float = 0.0  # monotonic seconds

    @property
    def seconds_since_run(self) -> float:
        return time.monotonic() - self.finished_at


class BackgroundLoops:
    """The loops of one gateway. Answers go on without any of them, so a failing loop is a problem and not an end."""

    def __init__(self, problems: ProblemBoard) -> None:
        self.states: list[LoopState] = []
        self._problems = problems
        self._tasks: list[asyncio.Task[None]] = []

    def start(
        self, name: str, step: Step, period_seconds: float | Callable[[], float], lost: str, tolerated: int = 0
    ) -> None:
        """Run `step` every `period_seconds`; `lost` describes what is missing while it fails.

        `tolerated` failures in a row are no problem yet: a file that is written step by step is broken for a moment.
        """
        state = LoopState(name, finished_at=time.monotonic())
        self.states.append(state)
        self._tasks.append(asyncio.create_task(self._run(state, step, period_seconds, lost, tolerated), name=name))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(
        self, state: LoopState, step: Step, period_seconds: float | Callable[[], float], lost: str, tolerated: int
    ) -> None:
        while True:
            try:
                await step()
            except Exception as exc:  # noqa: BLE001  a loop that ends for good is what this is here to prevent
                self._failed(state, exc, lost, tolerated)
            else:
                self._succeeded(state)
            seconds = period_seconds() if callable(period_seconds) else period_seconds
            await asyncio.sleep(max(seconds, _AFTER_ERROR_SECONDS) if state.error else seconds)

    def _failed(self, state: LoopState, error: Exception, lost: str, tolerated: int) -> None:
        state.failures += 1
        state.in_row += 1
        if not state.error:
            _log.error("loop_failed", loop=state.name, exc_info=error)
        state.error = repr(error)
        state.finished_at = time.monotonic()
        if state.in_row > tolerated:
            self._problems.begin(Cause.UNKNOWN, state.name, f"{lost}: {error!r}")

    def _succeeded(self, state: LoopState) -> None:
        state.runs += 1
        state.in_row = 0
        state.finished_at = time.monotonic()
        if state.error:
            state.error = ""
            self._problems.end(state.name, Cause.UNKNOWN)
