"""One service under supervision: launched, checked, restarted when it dies or hangs, reported when that fails."""

import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import structlog

from cli.stack.health_checks import CHECK_SECONDS, HealthChecks
from cli.stack.home import RunningService
from cli.stack.process_tree import POLL_SECONDS, ProcessTree, started_at, tail
from cli.stack.services import PROJECT_DIR, START_SECONDS_MAX, Service
from healing.errors import AutopilotError, Transient

BACKOFF_SECONDS_FIRST = 0.5
BACKOFF_SECONDS_MAX = 30.0
RESTARTS_MAX = 8  # in a row, about 90 s of waiting; then the service is reported as failed
FAILED_SECONDS = 300.0  # until a failed service is tried again: the reason may pass, such as a full disk
STEADY_SECONDS = 60.0  # after being healthy for this long, a service's next loss starts the backoff anew
POSTPONE_SECONDS = 1.0  # until the next launch when what a service needs first did not answer

log = structlog.get_logger(__name__)


class ServiceState(StrEnum):
    """The state of a service, as progress and `autopilot status` show it."""

    WAITING = "waiting"
    STARTING = "starting"
    HEALTHY = "healthy"
    DONE = "done"
    RESTARTING = "restarting"
    FAILED = "failed"


@dataclass(slots=True)
class WatchedService:
    """A service with its process. `on_change` is called after every change of `state`."""

    service: Service
    tree: ProcessTree
    log_file: Path
    executor: Executor
    on_change: Callable[[], None]
    state: ServiceState = ServiceState.WAITING
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    problem: str = ""  # why it is not healthy, for a message
    _checks: HealthChecks = field(init=False)
    _started_at: float = 0.0
    _launched: float = 0.0
    _healthy_since: float | None = None
    _losses: int = 0
    _due: float = 0.0
    _start_seconds_max: float = START_SECONDS_MAX
    _standby: subprocess.Popen[bytes] | None = None
    _standby_due: float = 0.0

    @property
    def ready(self) -> bool:
        return self.state in (ServiceState.HEALTHY, ServiceState.DONE)

    @property
    def failed_first_start(self) -> bool:
        """Whether its very first process ended before it was healthy: its command or its settings are wrong."""
        return self.state is ServiceState.RESTARTING and self.restarts == 0 and self._healthy_since is None

    @property
    def running(self) -> RunningService | None:
        """Its entry in `processes.json`; None for a registration and before the first launch."""
        if self.process is None or self.service.registration:
            return None
        return RunningService(
            name=self.service.name,
            pid=self.process.pid,
            started_at=self._started_at,
            restarts=self.restarts,
            state=self.state,
        )

    def advance(self, *, may_launch: bool) -> None:
        """Take the next step towards health. Only `prepare` may wait."""
        if self.state in (ServiceState.STARTING, ServiceState.HEALTHY):
            self._examine()
        elif self.state is not ServiceState.DONE and may_launch and time.monotonic() >= self._due:
            self._launch()

    def keep_standby(self) -> None:
        """Have a second process that waits, for a service that has one; it starts while the service is healthy."""
        if not self.service.standby or self.state is not ServiceState.HEALTHY or time.monotonic() < self._standby_due:
            return
        if not self._standby_lives():
            self._standby = self._start_process()
            self._standby_due = time.monotonic() + BACKOFF_SECONDS_MAX

    def end_standby(self) -> None:
        """End the second process; its service ends next."""
        if self._standby is not None:
            self.tree.end([self._standby])

    def _standby_lives(self) -> bool:
        return self._standby is not None and self._standby.poll() is None

    def _start_process(self) -> subprocess.Popen[bytes]:
        service = self.service
        return self.tree.start(
            service.command, service.environment, self.log_file, PROJECT_DIR, descriptors=service.descriptors
        )

    def restart(self, reason: str) -> None:
        """Kill its processes and launch it at the next step, whatever its backoff.

        A registration is left alone, and so is a service that starts at the moment: on a busy machine its start takes
        longer than it takes others to find it silent and ask.
        """
        if self.service.registration or self.process is None or self.state is ServiceState.STARTING:
            return
        log.warning("service_restart_requested", service=self.service.name, reason=reason)
        self.tree.kill(self.process)
        self.problem, self._due = reason, time.monotonic()
        self._enter(ServiceState.RESTARTING)

    def _launch(self) -> None:
        """Start its process, or postpone that while what `prepare` needs does not answer."""
        again = self.process is not None
        if self._standby is not None and self._standby_lives():
            self._follow(self._standby, seconds_max=self.service.silent_seconds_max, again=again)  # it has taken over
            self._standby = None
            return
        postponing = AutopilotError if again else Transient  # once the stack runs, one service does not end the others
        try:
            self.service.prepare()
        except postponing as error:
            self._due = time.monotonic() + POSTPONE_SECONDS
            if self.problem != str(error):
                self.problem = str(error)
                log.warning("launch_postponed", service=self.service.name, reason=self.problem)
            return
        self._follow(self._start_process(), seconds_max=START_SECONDS_MAX, again=again)

    def _follow(self, process: subprocess.Popen[bytes], *, seconds_max: float, again: bool) -> None:
        """Wait for at most `seconds_max` until this process is healthy."""
        self.process, self._start_seconds_max = process, seconds_max
        self._started_at = started_at(self.process.pid)
        self._launched = time.monotonic()
        self._checks = HealthChecks(self.service.healthy, self.executor)  # an answer to an old check is of no interest
        self._healthy_since = None
        self.restarts += again
        self._enter(ServiceState.STARTING)

    def _examine(self) -> None:
        """Check whether it ended, is healthy, or is silent for too long."""
        assert self.process is not None
        exit_code = self.process.poll()
        if exit_code == 0 and self.service.registration:
            self._enter(ServiceState.DONE)
        elif exit_code is not None:
            self._restart_later("service_died", f"ended with {exit_code}")
        elif not self.service.registration:
            self._check()

    def _check(self) -> None:
        if self.state is ServiceState.STARTING:
            self._checks.advance(POLL_SECONDS)
            if self._checks.passed:
                self._healthy_since = time.monotonic()
                self.problem = ""
                self._enter(ServiceState.HEALTHY)
            elif time.monotonic() - self._launched > self._start_seconds_max:
                self._restart_later("service_hung", f"was not healthy within {self._start_seconds_max:.0f} s")
            return
        self._checks.advance(CHECK_SECONDS)
        silent_seconds = self._checks.silent_seconds()
        if silent_seconds > self.service.silent_seconds_max:
            self._restart_later("service_hung", f"did not answer for {silent_seconds:.0f} s")

    def _restart_later(self, event: str, reason: str) -> None:
        """Kill its remaining processes and plan the next launch: after a backoff, or later when it keeps failing."""
        assert self.process is not None
        self.tree.kill(self.process)
        now = time.monotonic()
        steady = self._healthy_since is not None and now - self._healthy_since >= STEADY_SECONDS
        self._losses = 1 if steady else self._losses + 1
        failed = self._losses > RESTARTS_MAX
        backoff = (
            FAILED_SECONDS if failed else min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS_FIRST * 2 ** (self._losses - 1))
        )
        if self.service.restart_seconds_max is not None:
            backoff = min(backoff, self.service.restart_seconds_max)
        if self._standby_lives():
            backoff = 0.0
        self._due = now + backoff
        self.problem = f"{reason} while starting" if self.state is ServiceState.STARTING else reason
        log.warning(event, service=self.service.name, reason=self.problem, restart_in_seconds=backoff)
        if failed:
            log.error("service_failed", service=self.service.name, losses=self._losses, output=tail(self.log_file))
        self._enter(ServiceState.FAILED if failed else ServiceState.RESTARTING)

    def _enter(self, state: ServiceState) -> None:
        self.state = state
        self.on_change()
