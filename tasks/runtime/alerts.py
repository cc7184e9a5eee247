"""Alerts to people: a log event, a line in the alert file, and a message to every configured Apprise URL.

Every route is tried, whichever of them fails. What a route did not accept is kept in the outbox and sent again later.
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog
from pydantic import SecretStr

from healing.incident import Incident
from tasks.config.settings import Settings

log = structlog.get_logger(__name__)

FILE_ROUTE = "file"
_unwritten: list[dict[str, Any]] = []  # kept messages of this process while the disk is full


@dataclass(frozen=True, slots=True)
class AlertReport:
    """How many routes (the alert file and each address) accepted the alert, and how many did not."""

    delivered: int
    undelivered: int

    def __str__(self) -> str:
        return f"alert delivered on {self.delivered} routes, kept for {self.undelivered}"


def alert(settings: Settings, incident: Incident, reason: str, at: datetime) -> AlertReport:
    """Notify people that the incident needs them. A failing route is logged and kept; it raises no error."""
    entry = {**_entry(incident, at), "attempts": len(incident.attempts), "reason": reason}
    title = f"{incident.pipeline}: {incident.cause} needs a person"
    body = f"{reason}\nsubject {incident.subject}, incident {incident.id}, {len(incident.attempts)} attempts"
    report = _send(settings, entry, title, body)
    log.error("incident_escalated", **entry, delivered=report.delivered, undelivered=report.undelivered)
    return report


def notify_over(settings: Settings, incident: Incident, reason: str, at: datetime) -> AlertReport:
    """Notify the people who were alerted that the incident is over."""
    entry = {**_entry(incident, at), "over": True, "reason": reason}
    title = f"{incident.pipeline}: {incident.cause} is over"
    report = _send(settings, entry, title, f"{reason}\nsubject {incident.subject}, incident {incident.id}")
    log.info("incident_over", **entry, delivered=report.delivered, undelivered=report.undelivered)
    return report


def resend_kept(settings: Settings) -> int:
    """Send again what routes did not accept before; returns how many messages are still kept."""
    left = 0
    for path in sorted(_outbox(settings).glob("*.json")):
        message = json.loads(path.read_bytes())
        if _deliver(settings, message["route"], message["entry"], message["title"], message["body"]):
            path.unlink(missing_ok=True)
        else:
            left += 1
    waiting, _unwritten[:] = list(_unwritten), []
    for message in waiting:
        if not _deliver(settings, message["route"], message["entry"], message["title"], message["body"]):
            _keep(settings, message)
            left += 1
    return left


def _entry(incident: Incident, at: datetime) -> dict[str, Any]:
    return {
        "at": at.isoformat(),
        "incident": incident.id,
        "pipeline": incident.pipeline,
        "cause": incident.cause.value,
        "subject": incident.subject,
    }


def _send(settings: Settings, entry: Mapping[str, Any], title: str, body: str) -> AlertReport:
    routes = [FILE_ROUTE, *map(_route_of, settings.alert_urls)]
    failed = [route for route in routes if not _deliver(settings, route, entry, title, body)]
    for route in failed:
        _keep(settings, {"route": route, "entry": dict(entry), "title": title, "body": body})
    return AlertReport(len(routes) - len(failed), len(failed))


def _deliver(settings: Settings, route: str, entry: Mapping[str, Any], title: str, body: str) -> bool:
    """Whether the route accepted the message. A route that is no longer configured accepts everything."""
    if route == FILE_ROUTE:
        return _append(settings.alerts_file, entry)
    urls = {_route_of(url): url for url in settings.alert_urls}
    return route not in urls or _notify(urls[route], title, body)


def _append(file: Path, entry: Mapping[str, Any]) -> bool:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")
    except OSError as exc:
        log.warning("alert_file_unwritable", file=str(file), cause=str(exc))
        return False
    return True


def _notify(url: SecretStr, title: str, body: str) -> bool:
    """Whether the address accepted the alert. One object per address, so that a bad one does not block the others."""
    import apprise

    service = apprise.Apprise()
    if not service.add(url.get_secret_value()):
        log.error("alert_address_unusable", schema=url.get_secret_value().partition(":")[0])
        return False
    return bool(service.notify(title=title, body=body))


def _route_of(url: SecretStr) -> str:
    """A name for the address that does not reveal its secret."""
    return hashlib.sha256(url.get_secret_value().encode()).hexdigest()[:16]


def _keep(settings: Settings, message: dict[str, Any]) -> None:
    """Keep the message on disk, or in this process while the disk takes nothing."""
    path = _outbox(settings) / f"{message['entry']['at']}-{uuid4().hex}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(message), encoding="utf-8")
    except OSError as exc:
        with contextlib.suppress(OSError):  # half a message
            path.unlink()
        log.warning("alert_not_kept_on_disk", cause=str(exc))
        _unwritten.append(message)


def _outbox(settings: Settings) -> Path:
    return settings.home / "outbox"
