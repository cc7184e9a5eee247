"""Alerts to people: a log event, a line in the alert file, and a message to every configured Apprise URL."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from pydantic import SecretStr

from healing.errors import StoreUnavailable
from healing.incident import Incident

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AlertReport:
    """How many of the configured addresses accepted the alert."""

    delivered: int
    undelivered: int


def alert(incident: Incident, reason: str, at: datetime, *, file: Path, urls: Sequence[SecretStr] = ()) -> AlertReport:
    """Notify people that the incident needs them. A failing address is counted and logged; it raises no error.

    StoreUnavailable if the alert file cannot be written, because then the alert may have reached nobody.
    """
    entry = {
        "at": at.isoformat(),
        "incident": incident.id,
        "pipeline": incident.pipeline,
        "cause": incident.cause.value,
        "subject": incident.subject,
        "attempts": len(incident.attempts),
        "reason": reason,
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")
    except OSError as exc:
        raise StoreUnavailable(
            f"expected to write the alert to {file}, found: {exc}; free disk space or fix the permissions"
        ) from exc
    title = f"{incident.pipeline}: {incident.cause} needs a person"
    body = f"{reason}\nsubject {incident.subject}, incident {incident.id}, {len(incident.attempts)} attempts"
    delivered = sum(_notify(url, title, body) for url in urls)
    report = AlertReport(delivered, len(urls) - delivered)
    log.error("incident_escalated", **entry, delivered=report.delivered, undelivered=report.undelivered)
    return report


def _notify(url: SecretStr, title: str, body: str) -> bool:
    """Whether the address accepted the alert. One object per address, so that a bad one does not block the others."""
    import apprise

    service = apprise.Apprise()
    if not service.add(url.get_secret_value()):
        log.error("alert_address_unusable", schema=url.get_secret_value().partition(":")[0])
        return False
    return bool(service.notify(title=title, body=body))
