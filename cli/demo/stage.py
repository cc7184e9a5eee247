"""What every chapter of the story works with: the running stack, its record, its clients, its timeline."""

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
from cli.processes import ProcessTree, wait_until
from healing.errors import SourceUnavailable
from healing.incident import Cause, Incident
from healing.release import Reason, Release
from releases.log import ReleaseLog
from tasks.config.pipeline import Pipeline
from tasks.config.settings import Settings
from tasks.ledger.store import Ledger

HTTP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that the story does, or that the data bring: the incident that it causes is timed from here."""

    causes: frozenset[Cause]
    began_at: datetime


@dataclass(slots=True)
class Stage:
    """The stack while the story is played on it."""

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
    troubles: list[Trouble] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.pipeline.name

    def trouble(self, *causes: Cause, began_at: datetime | None = None) -> None:
        """From `began_at` (now) on an incident of one of `causes` belongs to what happens next."""
        self.troubles.append(Trouble(frozenset(causes), began_at or datetime.now(UTC)))

    def set_clock(self, day: date) -> None:
        """Let the feed's time go on to the end of `day`; the mirror has the same clock and never a fault."""
        self._put(f"{self.lab.mirror}/clock", {"day": day.isoformat()})
        self.today = day

    def set_faults(self, *faults: dict[str, object]) -> None:
        """Break these batches of the primary source, and no others."""
        self._put(f"{self.lab.feed}/faults", list(faults))

    def ask_about(self, since: date, until: date) -> None:
        """Let the clients ask about the flights of these days."""
        self.traffic.ask_about(read_feature_rows(self.settings, self.pipeline, since, until))

    def start_traffic(self) -> None:
        self.traffic.start(self.tree, self.lab.gateway, dict(os.environ))

    def wait_for(self, what: str, condition: Callable[[], bool], seconds_max: float) -> bool:
        """Whether `condition` came true in time. If not the story goes on, and the report says what is missing."""
        came = wait_until(condition, seconds_max)
        if not came:
            self.timeline.say(f"missing after {seconds_max:.0f} s: {what}", style="bold red")
        return came

    def released(self, reason: Reason, after: int = 0) -> Release | None:
        """The first release with `reason` of a generation above `after`."""
        return next((r for r in self.log.history()[after:] if r.reason is reason), None)

    def incidents(self, *causes: Cause) -> list[Incident]:
        """Incidents of these causes, newest first."""
        return [incident for incident in self.ledger.incidents(self.name) if incident.cause in causes]

    def all_ended(self) -> bool:
        """Nothing is being healed any more."""
        return not self.ledger.unfinished_incidents(self.name)

    def _put(self, url: str, body: object) -> None:
        try:
            httpx.put(url, json=body, timeout=HTTP_SECONDS, trust_env=False).raise_for_status()
        except httpx.HTTPError as exc:
            raise SourceUnavailable(f"expected the feed to take PUT {url}, found {exc!r}") from exc
