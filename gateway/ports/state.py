"""The read-only view of a gateway that its ports show."""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from gateway.batching.versions import Version
from gateway.guards.trial import ChallengerTrial
from gateway.log.predictions import PredictionLog
from gateway.ports.request_handler import RequestHandler
from gateway.ports.status.traffic import TrafficHistory
from gateway.reporting.loops import LoopState
from gateway.reporting.problems import GatewayProblem
from gateway.reporting.request_tracer import RequestTracer
from gateway.routing.active_release import ActiveRelease
from gateway.routing.shadow import Shadow
from gateway.settings import GatewaySettings
from healing.release import Release
from releases.output import Output


class GatewayState(Protocol):
    """What the ports read. `requests` answers predictions and `log` takes labels: neither changes what is read here."""

    @property
    def settings(self) -> GatewaySettings: ...

    @property
    def requests(self) -> RequestHandler: ...

    @property
    def log(self) -> PredictionLog: ...

    @property
    def active(self) -> ActiveRelease | None:
        """The release that answers requests; None until the first one is loaded."""
        ...

    @property
    def desired(self) -> Release | None:
        """The newest release of the log."""
        ...

    @property
    def versions(self) -> Sequence[Version]:
        """Every model version that has a worker."""
        ...

    @property
    def problems(self) -> Sequence[GatewayProblem]: ...

    @property
    def trial(self) -> ChallengerTrial | None: ...

    @property
    def aborted(self) -> str | None:
        """Digest of the challenger that this gateway took out of its trial."""
        ...

    @property
    def shadow(self) -> Shadow | None: ...

    @property
    def shadow_rows(self) -> Counter[str]:
        """Rows copied to this shadow and to all before it, by outcome."""
        ...

    @property
    def loop_states(self) -> Sequence[LoopState]:
        """How every background loop is doing."""
        ...

    @property
    def traffic(self) -> TrafficHistory: ...

    @property
    def events_dropped(self) -> int: ...

    @property
    def tracer(self) -> RequestTracer | None:
        """What traces requests; None where no traces are asked for."""
        ...


def version_of(state: GatewayState, digest: str) -> Version | None:
    """The version with this digest, if it has a worker."""
    return next((version for version in state.versions if version.model.digest == digest), None)


def champion_output(state: GatewayState) -> Output | None:
    """What clients get for a value; None where they get the value itself, and while there is no release."""
    return None if state.active is None else state.active.output


def role_of(version: Version, release: Release | None) -> str:
    """The role of a version in the active release; `next` while it loads for a later one."""
    digest = version.model.digest
    if release is not None:
        if digest == release.champion.digest:
            return "champion"
        if release.challenger is not None and digest == release.challenger.model.digest:
            return "challenger"
        if digest in {model.digest for model in release.fallbacks}:
            return "fallback"
    return "next"
