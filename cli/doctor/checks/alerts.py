"""Alerts that a route has not accepted yet."""

from collections.abc import Iterator

from cli.doctor.examined import Examined, warning
from cli.doctor.finding import Finding
from tasks.runtime.outbox import Outbox

NAME = "alerts"


def find(examined: Examined) -> Iterator[Finding]:
    """One finding for all that is kept in the outbox."""
    unsent = Outbox(examined.settings.home / "outbox").unsent()
    if unsent:
        oldest = unsent[0]
        found = f"{len(unsent)} kept, the oldest of {oldest.entry.get('at', 'an unknown time')}: {oldest.title}"
        fix = "check AUTOPILOT_ALERT_URLS and the routes of policy.yaml; `autopilot up` and `autopilot heal` send again"
        yield warning(NAME, "outbox", "no undelivered alert", found, fix)
