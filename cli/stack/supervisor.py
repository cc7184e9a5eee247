"""Starts the services of a stack, waits until each is healthy, and restarts those that die or hang."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from cli.stack.home import RunningService
from cli.stack.process_tree import POLL_SECONDS, ProcessTree, tail
from cli.stack.services import START_SECONDS_MAX, Service
from cli.stack.watched_service import ServiceState, WatchedService
from healing.errors import Transient
from tasks.runtime.restart_requests import forget_requests, take_request

WATCH_SECONDS = 0.5  # how late the end of a process may be noticed

log = structlog.get_logger(__name__)


class Stopped(Exception):
    """The supervisor was asked to stop while it started services."""


class ServiceFailed(Transient):
    """A service did not become healthy; its log says why."""


@dataclass(slots=True)
class Supervisor:
    """Runs `services` inside `tree` until `stopping` is set, and restarts those that a request in `home` names.

    `on_change` is called at every change of a service's state, with all services that run; `on_turn` in every turn of
    the loop, so that somebody else notices when the supervisor hangs.
    """

    tree: ProcessTree
    services: Sequence[Service]
    logs: Path
    stopping: threading.Event
    on_change: Callable[[str, ServiceState, tuple[RunningService, ...]], None]
    home: Path | None = None
    on_turn: Callable[[], None] = lambda: None
    _watched: dict[str, WatchedService] = field(init=False)
    _executor: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._executor = ThreadPoolExecutor(len(self.services), thread_name_prefix="health-check")
        self._watched = {service.name: self._watch(service) for service in self.services}

    def start(self) -> None:
        """Return when everything is healthy. ServiceFailed names services that are not; Stopped when asked to stop.

        Services that answer too slowly are checked again until the time is over; one that ends ends the start.
        """
        deadline = time.monotonic() + START_SECONDS_MAX
        while late := [watched for watched in self._watched.values() if not watched.ready]:
            if time.monotonic() >= deadline:
                raise ServiceFailed(f"{_names(late)} not healthy within {START_SECONDS_MAX:.0f} s; see {self.logs}")
            self._turn()
            for watched in late:
                if watched.failed_first_start:
                    raise ServiceFailed(f"{watched.service.name} {watched.problem}: {tail(watched.log_file)}")
            if self.stopping.wait(POLL_SECONDS):
                raise Stopped

    def watch(self) -> None:
        """Restart services that die or hang, or that somebody asks to restart, until asked to stop."""
        if self.home is not None:
            forget_requests(self.home)
        while not self.stopping.wait(WATCH_SECONDS):
            self._turn()
            self._honour_requests()
            for watched in self._watched.values():
                watched.keep_standby()

    def end(self) -> None:
        """End all services, those that others need last: the worker ends before Prefect's server."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        for watched in self._watched.values():
            watched.end_standby()
        needed = {name for service in self.services if not service.registration for name in service.after}
        for names in (self._watched.keys() - needed, needed):
            running = [self._watched[name].process for name in names]
            self.tree.end(process for process in running if process is not None)

    def _watch(self, service: Service) -> WatchedService:
        return WatchedService(
            service=service,
            tree=self.tree,
            log_file=self.logs / f"{service.name}.log",
            executor=self._executor,
            on_change=lambda: self._report(service.name),
        )

    def _turn(self) -> None:
        self.on_turn()
        for watched in self._watched.values():
            needs = (self._watched[name].state for name in watched.service.after)
            watched.advance(may_launch=all(state is ServiceState.HEALTHY for state in needs))

    def _honour_requests(self) -> None:
        """Restart each service for which there is a request. A full disk must not end the supervision."""
        for name, watched in self._watched.items():
            try:
                request = None if self.home is None else take_request(self.home, name)
            except OSError as exc:
                log.warning("restart_request_postponed", service=name, reason=str(exc))
                continue
            if request is not None:
                watched.restart(f"{request.by} asked: {request.reason}")

    def _report(self, name: str) -> None:
        running = (watched.running for watched in self._watched.values())
        self.on_change(name, self._watched[name].state, tuple(each for each in running if each is not None))


def _names(late: Sequence[WatchedService]) -> str:
    return ", ".join(f"{each.service.name} ({each.problem})" if each.problem else each.service.name for each in late)
