"""The status of a stack, read from its files and its gateway; it can be read while nothing runs."""

from dataclasses import dataclass

from cli.report_lines import IncidentLine, ReleaseLine, incidents_of, release_line
from cli.stack.home import is_up, read_processes
from healing.errors import GatewayUnavailable
from healing.incident import ENDED
from releases.log import ReleaseLog
from tasks.config.settings import Settings
from tasks.ledger.pauses import current_pause
from tasks.ledger.store import Ledger
from tasks.rollout.ab_progress import ABProgress
from tasks.rollout.rollout_status import current_progress
from tasks.serving.gateway_client import GatewayReport, read_gateway

INCIDENTS_MAX = 200


@dataclass(frozen=True, slots=True)
class ServiceLine:
    """One service of the stack, whether its process is alive, and its state according to the supervisor."""

    name: str
    alive: bool
    pid: int
    restarts: int
    state: str

    @property
    def healthy(self) -> bool:
        return self.alive and self.state == "healthy"


@dataclass(frozen=True, slots=True)
class StackStatus:
    """`up`: a supervisor holds the home. `serving`: the generation that the gateway answers with.

    `paused`: who paused the pipeline and why, None while it is not paused. `ab`: the A/B test as its controller last
    reported it, None without one.
    """

    up: bool
    addresses: dict[str, str]
    services: tuple[ServiceLine, ...]
    release: ReleaseLine | None
    serving: int | None
    problems: tuple[str, ...]
    incidents: tuple[IncidentLine, ...]
    paused: str | None = None
    ab: ABProgress | None = None

    @property
    def healthy(self) -> bool:
        """Whether everything that should run does; a stack that was stopped is healthy."""
        if not self.up:
            return True
        return all(service.healthy for service in self.services) and self.serving is not None and not self.problems


def read_status(settings: Settings, pipeline: str) -> StackStatus:
    """Read files and gateway once."""
    up = is_up(settings.home)
    root = settings.release_root(pipeline)
    release = ReleaseLog(root).current()
    progress = None if release is None else current_progress(root, release)
    gateway = _gateway(settings) if up else None
    services = read_processes(settings.home).services
    open_incidents = [line for line in incidents_of(settings, pipeline, INCIDENTS_MAX) if line.status not in ENDED]
    return StackStatus(
        up=up,
        addresses=settings.addresses().model_dump(exclude_none=True),
        services=tuple(ServiceLine(each.name, each.alive(), each.pid, each.restarts, each.state) for each in services),
        release=None if release is None else release_line(release),
        serving=None if gateway is None else gateway.active_generation,
        problems=() if gateway is None else tuple(f"{each.code}: {each.message}" for each in gateway.problems),
        incidents=tuple(open_incidents),
        paused=_pause(settings, pipeline),
        ab=None if progress is None else progress.ab,
    )


def _pause(settings: Settings, pipeline: str) -> str | None:
    """The current pause as a sentence; None without one. It creates no file in a new home."""
    if not settings.has_ledger:
        return None
    with Ledger(settings.ledger_dsn) as ledger:
        pause = current_pause(ledger, pipeline)
    return None if pause is None else str(pause)


def _gateway(settings: Settings) -> GatewayReport | None:
    """The gateway's own state; None when it does not answer, which is a status to show, not an error."""
    try:
        return read_gateway(settings.addresses().require("operate"))
    except GatewayUnavailable:
        return None
