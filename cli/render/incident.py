"""Incidents: as a table, one with its evidence and attempts, and the account of what the system decided."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from cli.render.parts import Headline, duration, fields, moment, quiet, section, table, word

if TYPE_CHECKING:
    from cli.report_lines import IncidentLine
    from healing.incident import Attempt, Incident
    from tasks.incidents.post_mortem.account import Account

_SUBJECT_CHARACTERS = 20  # in a table
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DIGEST_SHOWN = 12


def incident_table(lines: "Iterable[IncidentLine]", now: datetime) -> RenderableType:
    """One row per incident."""
    return table(
        ("id", "age", "status", "cause", "subject", "attempts"), (_row(each, now) for each in lines), numbers=("age",)
    )


def _row(line: "IncidentLine", now: datetime) -> tuple[RenderableType, ...]:
    age = duration((now - line.at).total_seconds())
    tried = ", ".join(line.remedies) or "none"
    return line.id[:8], age, word(line.status), line.cause, _short(line.subject)[:_SUBJECT_CHARACTERS], tried


def incident_parts(incident: "Incident", page: str | None) -> list[RenderableType]:
    """The incident with its evidence, its attempts and its times in UTC. `page` is the file of its post-mortem."""
    about = [
        ("incident", incident.id),
        ("pipeline", incident.pipeline),
        ("subject", incident.subject),
        ("summary", incident.summary),
        ("detected", moment(incident.detected_at)),
        ("mitigated", moment(incident.mitigated_at)),
        ("ended", moment(incident.ended_at)),
        ("page", page or "none yet"),
    ]
    attempts = table(("#", "remedy", "outcome", "started", "ended", "note"), map(_attempt, incident.attempts))
    evidence = table(("at", "what"), (row for each in incident.evidence for row in _evidence(each)))
    return [
        _headline(incident),
        fields(about),
        *section("evidence", evidence),
        *section("attempts", attempts if incident.attempts else "none"),
    ]


def _headline(incident: "Incident") -> Headline:
    return Headline(f"{incident.cause} of {_short(incident.subject)}:", word(incident.status))


def _short(subject: str) -> str:
    """The beginning of a digest; a name, such as that of a source, as it is."""
    return subject[:_DIGEST_SHOWN] if _DIGEST.fullmatch(subject) else subject


def _evidence(each: Mapping[str, Any]) -> Iterator[tuple[RenderableType, ...]]:
    """A row for the observation, and one per fact of it."""
    at = moment(datetime.fromisoformat(str(each["observed_at"])))
    yield at, f"{each['observer']}: {each['summary']}"
    for name, value in dict(each["facts"]).items():
        yield "", quiet(f"  {name}: {value}")


def _attempt(attempt: "Attempt") -> tuple[RenderableType, ...]:
    ended = "-" if attempt.ended_at is None else f"{attempt.ended_at:%H:%M:%S}Z"
    return (
        str(attempt.number),
        attempt.remedy,
        word(attempt.outcome),
        f"{attempt.started_at:%H:%M:%S}Z",
        ended,
        quiet(attempt.note),
    )


def account_parts(account: "Account") -> list[RenderableType]:
    """Why the system did what it did; times in UTC."""
    from tasks.incidents.post_mortem import explanation

    evidence = [f"{each['observer']}: {each['summary']}" for each in account.incident.evidence]
    timeline = ((f"{each.at:%H:%M:%S}Z", each.what, quiet(each.detail)) for each in account.timeline)
    return [
        _headline(account.incident),
        *section("evidence", *evidence),
        *section("confirmation", explanation.confirmation_of(account)),
        *section("common causes", explanation.common_causes_of(account)),
        *section("remedies that policy allowed", explanation.allowed_of(account)),
        *section("choices", _choices(account)),
        *section("budgets at the last decision", explanation.budget_of(account)),
        *section("timeline", table(("at", "what", "detail"), timeline)),
        *section("times since the problem began", fields(explanation.times_in_words(account.times).items())),
        *section("requests", explanation.requests_in_words(account)),
        *section("why it ended", account.ended_because or "it has not ended"),
    ]


def _choices(account: "Account") -> RenderableType:
    from tasks.incidents.post_mortem.explanation import choices_of, clock_of

    clock, rows = clock_of(account), list[tuple[RenderableType, ...]]()
    for choice in choices_of(account):
        rows.append((f"{choice.at:{clock}}Z", choice.step, choice.reason))
        rows += [("", f"  {each.remedy}", quiet(f"{each.fate}, {each.reason}")) for each in choice.considered]
    return table(("at", "step", "reason"), rows) if rows else "none: no remedy was considered by the healer"
