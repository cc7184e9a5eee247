"""Messages to people: a log event, a line in the alert file, and a message by every route that policy names.

Every route is tried, whichever of them fails. What a route did not accept is kept in the outbox and sent again later.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from pydantic import SecretStr

from healing.incident import Incident, Remedy, Status
from tasks.config.alert_routing import DEFAULT_ROUTE, FILE_ROUTE, AlertKind, AlertRouting
from tasks.config.settings import Settings
from tasks.runtime.outbox import Deliver, Message, Outbox

log = structlog.get_logger(__name__)

_NAMED = "route:"  # before the name of a route of policy.yaml; other routes are digests of addresses


@dataclass(frozen=True, slots=True)
class AlertReport:
    """How many routes (the alert file and each address) accepted the alert, and how many did not."""

    delivered: int
    undelivered: int

    def __str__(self) -> str:
        return f"alert delivered on {self.delivered} routes, kept for {self.undelivered}"


def alert(
    settings: Settings, incident: Incident, reason: str, at: datetime, routing: AlertRouting | None = None
) -> AlertReport:
    """Notify people that the incident needs them. A failing route is logged and kept; it raises no error."""
    is_known = incident.status is Status.ESCALATED
    kind = AlertKind.REMINDER if is_known else AlertKind.ESCALATION
    entry = {**_entry(incident, at), "attempts": len(incident.attempts), "reason": reason}
    title = f"{incident.pipeline}: {incident.cause} {'still ' if is_known else ''}needs a person"
    body = f"{reason}\nsubject {incident.subject}, incident {incident.id}, {len(incident.attempts)} attempts"
    key = f"{incident.id}/{kind}/{len(incident.attempts)}/{reason}"
    report = _send(settings, routing, incident, kind, Message(key, entry, title, body, {}))
    log.error("incident_escalated", **entry, delivered=report.delivered, undelivered=report.undelivered)
    return report


def request_approval(
    settings: Settings,
    incident: Incident,
    number: int,
    remedy: Remedy,
    at: datetime,
    routing: AlertRouting | None = None,
) -> AlertReport:
    """Ask people whether attempt `number` may apply the remedy."""
    entry = {**_entry(incident, at), "approval": remedy.value, "attempt": number}
    title = f"{incident.pipeline}: {remedy} for {incident.cause} waits for an approval"
    answer = f"autopilot incident approve {incident.pipeline} {incident.id} --remedy {remedy} --by NAME"
    body = f"{incident.summary}\nsubject {incident.subject}\n{answer}\nWith --refuse, the remedy is not tried."
    message = Message(f"{incident.id}/{AlertKind.APPROVAL}/{number}/{remedy}", entry, title, body, {})
    report = _send(settings, routing, incident, AlertKind.APPROVAL, message)
    log.warning("approval_requested", **entry, delivered=report.delivered, undelivered=report.undelivered)
    return report


def notify_over(
    settings: Settings, incident: Incident, reason: str, at: datetime, routing: AlertRouting | None = None
) -> AlertReport:
    """Notify the people who were alerted that the incident is over."""
    entry = {**_entry(incident, at), "over": True, "reason": reason}
    title = f"{incident.pipeline}: {incident.cause} is over"
    body = f"{reason}\nsubject {incident.subject}, incident {incident.id}"
    message = Message(f"{incident.id}/{AlertKind.OVER}/{reason}", entry, title, body, {})
    report = _send(settings, routing, incident, AlertKind.OVER, message)
    log.info("incident_over", **entry, delivered=report.delivered, undelivered=report.undelivered)
    return report


def resend_kept(settings: Settings, routing: AlertRouting) -> int:
    """Send again what routes did not accept before; returns how many messages are still kept.

    A message for a route that `routing` does not have is given up.
    """
    return _outbox(settings).resend(_deliverer(settings, routing))


def _entry(incident: Incident, at: datetime) -> dict[str, Any]:
    return {
        "at": at.isoformat(),
        "incident": incident.id,
        "pipeline": incident.pipeline,
        "cause": incident.cause.value,
        "subject": incident.subject,
    }


def _send(
    settings: Settings, routing: AlertRouting | None, incident: Incident, kind: AlertKind, message: Message
) -> AlertReport:
    routing = routing or AlertRouting()
    routes = _routes(settings, routing, routing.routes_for(incident.cause, kind))
    unsent = Message(message.key, message.entry, message.title, message.body, dict.fromkeys(routes, False))
    accepted = _outbox(settings).send(unsent, _deliverer(settings, routing)).accepted.values()
    return AlertReport(sum(accepted), len(accepted) - sum(accepted))


def _routes(settings: Settings, routing: AlertRouting, names: tuple[str, ...]) -> list[str]:
    """The alert file, and the routes of these names, without those that lead to an address a second time."""
    routes, met = [FILE_ROUTE], set[str]()
    for name in names:
        found: list[tuple[str, SecretStr | None]] = [(f"{_NAMED}{name}", None)]
        if name == DEFAULT_ROUTE:
            found = [(_digest(url), url) for url in settings.alert_urls]
        elif name in routing.addresses:
            found = [(f"{_NAMED}{name}", routing.addresses[name].read())]
        for route, url in found:
            digest = route if url is None else _digest(url)
            if digest not in met:
                routes.append(route)
            met.add(digest)
    return routes


def _deliverer(settings: Settings, routing: AlertRouting) -> Deliver:
    """Sends by one route. One that is no longer configured accepts everything."""
    urls = {_digest(url): url for url in settings.alert_urls}

    def deliver(route: str, message: Message) -> bool:
        if route == FILE_ROUTE:
            return _append(settings.alerts_file, message.entry)
        name = route.removeprefix(_NAMED)
        if route.startswith(_NAMED) and name in routing.addresses:
            url = routing.addresses[name].read()
            if url is None:
                log.error("alert_route_without_address", route=name, expected_in=str(routing.addresses[name]))
            return url is not None and _notify(url, message.title, message.body)
        return route not in urls or _notify(urls[route], message.title, message.body)

    return deliver


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
        log.error("alert_address_unusable", schema=url.get_secret_value().partition("://")[0][:20])
        return False
    return bool(service.notify(title=title, body=body))


def _digest(url: SecretStr) -> str:
    """A name for the address that does not reveal its secret."""
    return hashlib.sha256(url.get_secret_value().encode()).hexdigest()[:16]


def unsent_alerts(settings: Settings) -> int:
    """How many messages to people wait for a route that accepts them."""
    return len(_outbox(settings).unsent())


def _outbox(settings: Settings) -> Outbox:
    return Outbox(settings.home / "outbox")
