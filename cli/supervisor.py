"""Starts a stack's services in the order of their needs, waits until each is healthy, and restarts those that die."""

import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import structlog

from cli.home import Running
from cli.processes import POLL_SECONDS, ProcessTree, started_at, tail
from cli.stack import PROJECT_DIR, START_SECONDS_MAX, Service
from healing.errors import Transient

WATCH_SECONDS = 0.5  # how late a death may be noticed
BACKOFF_SECONDS_FIRST = 0.5
BACKOFF_SECONDS_MAX = 30.0
STEADY_SECONDS = 60.0  # after living this long, a service's next death starts the backoff anew

log = structlog.get_logger(__name__)


class State(StrEnum):
    """Where a service stands, as the progress display shows it."""

    WAITING = "waiting"
    STARTING = "starting"
    HEALTHY = "healthy"
    DONE = "done"
    RESTARTING = "restarting"


class Stopped(Exception):
    """Somebody asked the supervisor to stop; what was under way is abandoned."""


class ServiceFailed(Transient):
    """A service did not become healthy; its log says why."""


@dataclass(slots=True)
class _Watched:
    service: Service
    state: State = State.WAITING
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    restarts: int = 0
    restart_due: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """Runs `services` inside `tree` until `stopping` is set.

    `on_change` hears every change of any service's state, with the whole list of what runs.
    """

    tree: ProcessTree
    services: Sequence[Service]
    logs: Path
    stopping: threading.Event
    on_change: Callable[[str, State, tuple[Running, ...]], None]
    _watched: dict[str, _Watched] = field(init=False)

    def __post_init__(self) -> None:
        self._watched = {service.name: _Watched(service) for service in self.services}

    def start(self) -> None:
        """Return when everything is healthy. ServiceFailed names what is not, Stopped that somebody lost patience."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while late := self._not_ready():
            if time.monotonic() >= deadline:
                names = ", ".join(watched.service.name for watched in late)
                raise ServiceFailed(f"{names} not healthy within {START_SECONDS_MAX:.0f} s; see {self.logs}")
            for watched in late:
                self._advance(watched)
            if self.stopping.wait(POLL_SECONDS):
                raise Stopped

    def watch(self) -> None:
        """Restart what dies, until asked to stop."""
        while not self.stopping.wait(WATCH_SECONDS):
            for watched in self._watched.values():
                self._keep_alive(watched)

    def end(self) -> None:
        """End all services, those that others need last: a flow run loses its worker before it loses its server."""
        needed = {name for service in self.services if not service.registration for name in service.after}
        for names in (self._watched.keys() - needed, needed):
            running = [self._watched[name].process for name in names]
            self.tree.end(process for process in running if process is not None)

    def _not_ready(self) -> list[_Watched]:
        return [each for each in self._watched.values() if each.state not in (State.HEALTHY, State.DONE)]

    def _advance(self, watched: _Watched) -> None:
        """One step of one service towards health."""
        if watched.state is State.WAITING:
            if all(self._watched[name].state is State.HEALTHY for name in watched.service.after):
                self._launch(watched)
        elif watched.state is State.STARTING:
            assert watched.process is not None
            exit_code = watched.process.poll()
            if exit_code == 0 and watched.service.registration:
                self._enter(watched, State.DONE)
            elif exit_code is not None:
                raise ServiceFailed(
                    f"{watched.service.name} ended with {exit_code} while starting: {tail(self._log(watched))}"
                )
            elif watched.service.healthy():
                self._enter(watched, State.HEALTHY)

    def _keep_alive(self, watched: _Watched) -> None:
        """Restart a dead service once its backoff has passed, and see a restarted one become healthy."""
        process = watched.process
        if process is None or watched.state is State.DONE:
            return
        if watched.state is State.RESTARTING:
            if time.monotonic() >= watched.restart_due:
                self._restart(watched)
        elif process.poll() is not None:
            self._schedule_restart(watched, process)
        elif watched.state is State.STARTING and watched.service.healthy():
            self._enter(watched, State.HEALTHY)

    def _schedule_restart(self, watched: _Watched, process: subprocess.Popen[bytes]) -> None:
        lived = time.monotonic() - watched.started
        watched.deaths = 1 if lived >= STEADY_SECONDS else watched.deaths + 1
        backoff = min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS_FIRST * 2 ** (watched.deaths - 1))
        watched.restart_due = time.monotonic() + backoff
        log.warning(
            "service_died",
            service=watched.service.name,
            exit_code=process.returncode,
            lived_seconds=round(lived, 1),
            restart_in_seconds=backoff,
        )
        self._enter(watched, State.RESTARTING)

    def _restart(self, watched: _Watched) -> None:
        """Launch it again, or later when what it needs is not there either."""
        try:
            self._launch(watched)
        except Transient as error:
            watched.restart_due = time.monotonic() + BACKOFF_SECONDS_FIRST
            log.warning("restart_postponed", service=watched.service.name, reason=str(error))
        else:
            watched.restarts += 1

    def _launch(self, watched: _Watched) -> None:
        service = watched.service
        service.prepare()
        watched.process = self.tree.start(service.command, service.environment, self._log(watched), PROJECT_DIR)
        watched.started = time.monotonic()
        self._enter(watched, State.STARTING)

    def _enter(self, watched: _Watched, state: State) -> None:
        watched.state = state
        self.on_change(watched.service.name, state, tuple(self._running()))

    def _running(self) -> list[Running]:
        return [
            Running(
                name=watched.service.name,
                pid=watched.process.pid,
                started_at=started_at(watched.process.pid),
                restarts=watched.restarts,
            )
            for watched in self._watched.values()
            if watched.process is not None and watched.process.poll() is None and not watched.service.registration
        ]

    def _log(self, watched: _Watched) -> Path:
        return self.logs / f"{watched.service.name}.log"
