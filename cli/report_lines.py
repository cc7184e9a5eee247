"""Releases and incidents in the form in which reporting commands print them."""

from dataclasses import dataclass
from datetime import datetime

from healing.incident import Cause, Incident, Remedy, Status
from healing.release import Reason, Release
from releases.log import ReleaseLog
from tasks.config.settings import Settings
from tasks.ledger.store import Ledger


@dataclass(frozen=True, slots=True)
class ReleaseLine:
    """One release; models are named by their versions."""

    at: datetime
    generation: int
    reason: Reason
    author: str
    champion: str
    challenger: str | None
    weight: float | None
    note: str
    fenced: tuple[str, ...]  # may neither challenge nor serve
    unfenced_by: str | None


@dataclass(frozen=True, slots=True)
class IncidentLine:
    """One incident; seconds count from its detection, None for what did not happen."""

    at: datetime
    id: str
    cause: Cause
    subject: str
    status: Status
    remedies: tuple[Remedy, ...]
    mitigated_seconds: float | None
    ended_seconds: float | None
    summary: str


def release_line(release: Release) -> ReleaseLine:
    trial = release.challenger
    return ReleaseLine(
        at=release.created_at,
        generation=release.generation,
        reason=release.reason,
        author=release.author,
        champion=release.champion.version,
        challenger=trial.model.version if trial else None,
        weight=trial.weight if trial else None,
        note=release.note,
        fenced=tuple(fence.version for fence in release.fenced),
        unfenced_by=release.unfenced_by,
    )


def incident_line(incident: Incident) -> IncidentLine:
    def seconds_to(moment: datetime | None) -> float | None:
        return None if moment is None else round((moment - incident.detected_at).total_seconds(), 2)

    return IncidentLine(
        at=incident.detected_at,
        id=incident.id,
        cause=incident.cause,
        subject=incident.subject,
        status=incident.status,
        remedies=tuple(attempt.remedy for attempt in incident.attempts),
        mitigated_seconds=seconds_to(incident.mitigated_at),
        ended_seconds=seconds_to(incident.ended_at),
        summary=incident.summary,
    )


def releases_of(settings: Settings, pipeline: str) -> list[ReleaseLine]:
    """Every release, oldest first."""
    return [release_line(release) for release in ReleaseLog(settings.release_root(pipeline)).history()]


def incidents_of(settings: Settings, pipeline: str, limit: int) -> list[IncidentLine]:
    """The latest incidents, newest first. Creates nothing in a new home."""
    if not settings.has_ledger:
        return []
    with Ledger(settings.ledger_dsn) as ledger:
        return [incident_line(incident) for incident in ledger.incidents(pipeline, limit)]
