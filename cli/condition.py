"""The condition of a stack, read from its files and its gateway; works just as well when nothing runs."""

from dataclasses import dataclass

from cli.home import is_up, read_processes
from cli.record import IncidentLine, ReleaseLine, incidents_of, release_line
from healing.errors import GatewayUnavailable
from healing.incident import ENDED
from releases.log import ReleaseLog
from tasks.config.settings import Settings
from tasks.serving.gateway_client import GatewayState, read_gateway

INCIDENTS_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class ServiceLine:
    """One service of the stack, whether its very process is alive, and what the supervisor says of it."""

    name: str
    alive: bool
    pid: int
    restarts: int
    state: str

    @property
    def healthy(self) -> bool:
        return self.alive and self.state == "healthy"


@dataclass(frozen=True, slots=True)
class Condition:
    """`up` says that a supervisor holds the home; `serving` is the generation that the gateway answers with."""

    up: bool
    addresses: dict[str, str]
    services: tuple[ServiceLine, ...]
    release: ReleaseLine | None
    serving: int | None
    problems: tuple[str, ...]
    incidents: tuple[IncidentLine, ...]

    @property
    def healthy(self) -> bool:
        """Nothing that should run is missing: true of a stack that is down on purpose."""
        if not self.up:
            return True
        return all(service.healthy for service in self.services) and self.serving is not None and not self.problems


def read_condition(settings: Settings, pipeline: str) -> Condition:
    """Look at everything once."""
    up = is_up(settings.home)
    release = ReleaseLog(settings.release_root(pipeline)).current()
    gateway = _gateway(settings) if up else None
    services = read_processes(settings.home).services
    open_incidents = [
        line for line in incidents_of(settings, pipeline, INCIDENTS_LOOKED_AT) if line.status not in ENDED
    ]
    return Condition(
        up=up,
        addresses=settings.addresses().model_dump(exclude_none=True),
        services=tuple(ServiceLine(each.name, each.alive(), each.pid, each.restarts, each.state) for each in services),
        release=None if release is None else release_line(release),
        serving=None if gateway is None else gateway.active_generation,
        problems=() if gateway is None else tuple(f"{each.code}: {each.message}" for each in gateway.problems),
        incidents=tuple(open_incidents),
    )


def _gateway(settings: Settings) -> GatewayState | None:
    """What the gateway says of itself; None when it does not answer, which is a condition to report, not an error."""
    try:
        return read_gateway(settings.addresses().require("operate"))
    except GatewayUnavailable:
        return None
