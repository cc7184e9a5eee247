"""Addresses of sources: placeholders are filled in, and messages never show a secret."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit, urlunsplit

from healing.errors import ConfigError

_PLACEHOLDER = re.compile(r"\$\{(env:)?(\w+)\}")


@dataclass(frozen=True)
class Lookup:
    """Values of placeholders: of `${name}` in `addresses`, of `${env:NAME}` in `environment`."""

    addresses: Mapping[str, str | None] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def fill(self, source: str, text: str) -> str:
        """The text with each placeholder replaced; ConfigError names one without a value."""

        def value_of(match: re.Match[str]) -> str:
            secret, name = match[1] is not None, match[2]
            value = self.environment.get(name) if secret else self.addresses.get(name)
            if value is not None:
                return value
            if secret:
                raise ConfigError(f"source {source}: expected a value of ${{env:{name}}}, found none; set {name}")
            raise ConfigError(
                f"source {source}: expected an address for ${{{name}}}, found none; start `autopilot up`, "
                f"or set AUTOPILOT_{name.upper()}_URL"
            )

        return _PLACEHOLDER.sub(value_of, text)


def hidden(text: str, secrets: Iterable[str]) -> str:
    """The text with each secret replaced: a server may quote what it was sent."""
    forms = {form for secret in secrets if secret for form in (secret, quote(secret, safe=""), quote_plus(secret))}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "…")
    return text


def without_secrets(url: str) -> str:
    """The address without user, password and the values of its query, for messages and logs."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    if parts.port is not None:
        host = f"{host}:{parts.port}"
    query = "&".join(f"{key}=…" for key, _ in parse_qsl(parts.query, keep_blank_values=True))
    return urlunsplit((parts.scheme, host, parts.path, query, ""))
