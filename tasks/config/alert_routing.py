"""Alert routes: which message is sent where. The address of a route is read when it is used, and never shown."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pydantic import SecretStr

from healing.incident import Cause

DEFAULT_ROUTE = "default"  # every address in AUTOPILOT_ALERT_URLS
FILE_ROUTE = "file"  # alerts.jsonl, which every message is written to


class AlertKind(StrEnum):
    """Why people are notified."""

    ESCALATION = "escalation"
    REMINDER = "reminder"
    APPROVAL = "approval"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class RouteAddress:
    """Where the Apprise URL of a route is found; one of the three is set."""

    env: str | None = None
    file: Path | None = None
    url: SecretStr | None = None

    def read(self) -> SecretStr | None:
        """The URL; None while its variable or file is missing or empty."""
        if self.url is not None:
            return self.url
        try:
            text = os.environ.get(self.env, "") if self.env else (self.file or Path()).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return None
        return SecretStr(text.strip()) if text.strip() else None

    def __str__(self) -> str:
        """Where to look, without the secret."""
        return f"variable {self.env}" if self.env else f"file {self.file}" if self.file else "policy.yaml"


def _default_routes() -> Mapping[AlertKind, tuple[str, ...]]:
    return dict.fromkeys(AlertKind, (DEFAULT_ROUTE,))


@dataclass(frozen=True, slots=True)
class AlertRouting:
    """Addresses by route, and routes by kind of message; `by_cause` replaces kinds for some causes."""

    addresses: Mapping[str, RouteAddress] = field(default_factory=dict)
    by_kind: Mapping[AlertKind, tuple[str, ...]] = field(default_factory=_default_routes)
    by_cause: Mapping[Cause, Mapping[AlertKind, tuple[str, ...]]] = field(default_factory=dict)

    def routes_for(self, cause: Cause, kind: AlertKind) -> tuple[str, ...]:
        """The names of the routes that get a message of this kind about this cause."""
        return self.by_cause.get(cause, {}).get(kind, self.by_kind[kind])
