"""Health checks of one service in the background, and the rule by which a silent service counts as hung."""

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

from healing.errors import Transient

CHECK_SECONDS = 5.0  # from the start of one check to the start of the next
FAILURES_MIN = 4  # in a row: one slow answer of a busy machine is no hang


@dataclass(slots=True)
class HealthChecks:
    """Runs `healthy` in `executor`, one check at a time, so that reading the result never waits for a hung service.

    A check that raises Transient says nothing about the service, for example because Prefect is down.
    """

    healthy: Callable[[], bool]
    executor: Executor
    passed: bool = False  # the latest finished check
    _failures: int = 0
    _silent_since: float = 0.0
    _began: float = field(default_factory=lambda: float("-inf"))
    _pending: Future[bool] | None = None

    def advance(self, interval_seconds: float = CHECK_SECONDS) -> None:
        """Read the check that is under way if it has ended, and start the next one when it is due. Never waits."""
        if self._pending is not None and self._pending.done():
            self._record(self._pending)
            self._pending = None
        if self._pending is None and time.monotonic() - self._began >= interval_seconds:
            self._began = time.monotonic()
            self._pending = self.executor.submit(self.healthy)

    def silent_seconds(self) -> float:
        """Time since the first of the latest failed checks began; 0 before `FAILURES_MIN` checks in a row have failed.

        Only finished checks count. Time during which this process itself did not run therefore does not.
        """
        return time.monotonic() - self._silent_since if self._failures >= FAILURES_MIN else 0.0

    def _record(self, check: Future[bool]) -> None:
        try:
            self.passed = check.result()
        except Transient:
            self._failures = 0
            return
        if self.passed:
            self._failures = 0
            return
        if self._failures == 0:
            self._silent_since = self._began
        self._failures += 1
