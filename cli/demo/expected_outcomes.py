"""The outcomes that the demo has to show, and a pure check of its report against them."""

from collections.abc import Iterator

from cli.demo.report import IncidentSummary, Report
from cli.demo.scenario import DRIFT, REQUESTS_MIN
from healing.incident import Cause, Remedy, Status
from healing.release import Reason

HEALED_BY: tuple[tuple[frozenset[Cause], Remedy], ...] = (
    (frozenset({Cause.SCHEMA_BREAK}), Remedy.REPAIR_BATCH),
    (frozenset({Cause.NULL_SPIKE}), Remedy.QUARANTINE_BATCH),
    (frozenset({Cause.SOURCE_UNAVAILABLE}), Remedy.SWITCH_SOURCE),
    (frozenset(DRIFT), Remedy.RETRAIN),
    (frozenset({Cause.BAD_CANDIDATE}), Remedy.ABORT_CANARY),
    (frozenset({Cause.MODEL_CORRUPT, Cause.MODEL_FAILING}), Remedy.ROLLBACK),
)
RELEASED = (Reason.BOOTSTRAP, Reason.CANARY, Reason.PROMOTE, Reason.ABORT, Reason.ROLLBACK)


def missing_outcomes(report: Report) -> tuple[str, ...]:
    """A sentence per expected outcome that the report does not show; empty when the demo succeeded."""
    return (*_requests(report), *_rows(report), *_incidents(report), *_releases(report))


def _requests(report: Report) -> Iterator[str]:
    requests = report.requests
    if requests.total < REQUESTS_MIN:
        yield f"at least {REQUESTS_MIN} requests, found {requests.total}"
    if requests.failed:
        yield f"no failed request, found {requests.failed}"
    if requests.wrong:
        yield f"no wrong answer, found {requests.wrong}"
    if requests.total != requests.good + requests.degraded + requests.failed + requests.wrong:
        yield "every request in exactly one class"


def _rows(report: Report) -> Iterator[str]:
    rows = report.rows
    if rows.received == 0 or rows.received != rows.accepted + rows.quarantined + rows.duplicates:
        yield f"received rows = accepted + quarantined + duplicates, found {rows}"
    if rows.quarantined == 0:
        yield "a quarantined row, found none"


def _incidents(report: Report) -> Iterator[str]:
    for causes, remedy in HEALED_BY:
        found = [incident for incident in report.incidents if incident.cause in causes]
        if not any(_healed(incident, remedy) for incident in found):
            named = " or ".join(sorted(causes))
            shown = ", ".join(f"{i.status} after {list(map(str, i.remedies))}" for i in found) or "no such incident"
            yield f"{named} healed by {remedy}, found {shown}"


def _healed(incident: IncidentSummary, remedy: Remedy) -> bool:
    return incident.status is Status.RECOVERED and remedy in incident.remedies


def _releases(report: Report) -> Iterator[str]:
    reasons = {release.reason for release in report.releases}
    for reason in RELEASED:
        if reason not in reasons:
            yield f"a release of reason {reason}, found none"
