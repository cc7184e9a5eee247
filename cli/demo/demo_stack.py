"""The running stack as the chapters of the demo use it: its ledger, release log, clients and timeline."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import httpx

from chaos.lab import Lab
from cli.demo.timeline import Timeline
from cli.demo.traffic import Traffic
from cli.feature_rows import read_feature_rows
from cli.stack.process_tree import ProcessTree, wait_until
from healing.errors import SourceUnavailable
from healing.incident import Cause, Incident
from healing.release import Reason, Release
from releases.log import ReleaseLog
from tasks.config.pipeline import Pipeline
from tasks.config.settings import Settings
from tasks.ledger.store import Ledger

HTTP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ExpectedIncident:
    """A fault of the demo or of the data itself; times of the incident that it causes count from `began_at`."""

    causes: frozenset[Cause]
    began_at: datetime


@dataclass(slots=True)
class DemoStack:
    """The stack while the demo runs."""

    settings: Settings
    pipeline: Pipeline
    lab: Lab
    ledger: Ledger
    log: ReleaseLog
    tree: ProcessTree
    traffic: Traffic
    timeline: Timeline
    directory: Path
    today: date
    expected_incidents: list[ExpectedIncident] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.pipeline.name

    def expect_incident(self, *causes: Cause, began_at: datetime | None = None) -> None:
        """An incident of one of `causes` that is detected after `began_at` (default: now) is timed from then."""
        self.expected_incidents.append(ExpectedIncident(frozenset(causes), began_at or datetime.now(UTC)))

    def set_clock(self, day: date) -> None:
        """Move the feed's clock to the end of `day`; the mirror has the same clock and never a fault."""
        self._put(f"{self.lab.mirror}/clock", {"day": day.isoformat()})
        self.today = day

    def set_faults(self, *faults: dict[str, object]) -> None:
        """Break these batches of the primary source, and no others."""
        self._put(f"{self.lab.feed}/faults", list(faults))

    def ask_about(self, since: date, until: date) -> None:
        """Send requests about the flights of these days from now on."""
        self.traffic.ask_about(read_feature_rows(self.settings, self.pipeline, since, until))

    def start_traffic(self) -> None:
        self.traffic.start(self.tree, self.lab.gateway, dict(os.environ))

    def wait_for(self, what: str, condition: Callable[[], bool], seconds_max: float) -> bool:
        """Whether `condition` became true in time. If not, the demo goes on, and the report says what is missing."""
        met = wait_until(condition, seconds_max)
        if not met:
            self.timeline.say(f"missing after {seconds_max:.0f} s: {what}", style="bold red")
        return met

    def released(self, reason: Reason, after: int = 0) -> Release | None:
        """The first release with `reason` of a generation above `after`."""
        return next((r for r in self.log.history()[after:] if r.reason is reason), None)

    def incidents(self, *causes: Cause) -> list[Incident]:
        """Incidents of these causes, newest first."""
        return [incident for incident in self.ledger.incidents(self.name) if incident.cause in causes]

    def all_ended(self) -> bool:
        """Whether every incident has ended."""
        return not self.ledger.unfinished_incidents(self.name)

    def _put(self, url: str, body: object) -> None:
        try:
            httpx.put(url, json=body, timeout=HTTP_SECONDS, trust_env=False).raise_for_status()
        except httpx.HTTPError as exc:
            raise SourceUnavailable(f"expected the feed to accept PUT {url}, found {exc!r}") from exc
