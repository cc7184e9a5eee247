"""Releases, incidents and monitor runs as one table in the order of time."""

from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from cli.render.parts import moment, quiet, table, word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cli.report_lines import IncidentLine, ReleaseLine
    from tasks.monitoring.history import RecordedRun

_SUBJECT_CHARACTERS = 20
_NOT_PASSED = ("FAIL", "INCONCLUSIVE")


def history_parts(
    releases: "Sequence[ReleaseLine]", incidents: "Sequence[IncidentLine]", runs: "Sequence[RecordedRun]"
) -> list[RenderableType]:
    """One row per record, oldest first."""
    rows = [(each.at, _release(each)) for each in releases]
    rows += [(each.at, _incident(each)) for each in incidents]
    rows += [(each.at, _run(each)) for each in runs]
    if not rows:
        return ["Nothing yet; `autopilot bootstrap` makes the first release."]
    rows.sort(key=lambda row: row[0])
    return [table(("at", "record", "what", "details"), ((moment(at), *cells) for at, cells in rows))]


def _release(release: "ReleaseLine") -> tuple[RenderableType, ...]:
    trial = f", {release.challenger} on {release.weight:.1%}" if release.challenger and release.weight else ""
    lifted = f", its fence lifted by {release.unfenced_by}" if release.unfenced_by else ""
    note = f": {release.note}" if release.note else ""
    details = Text(f"{release.champion}{trial}{lifted}, by {release.author}") + quiet(note)
    return f"release {release.generation}", word(release.reason), details


def _incident(incident: "IncidentLine") -> tuple[RenderableType, ...]:
    tried = ", ".join(incident.remedies) or "nothing tried"
    ended = "" if incident.ended_seconds is None else f" after {incident.ended_seconds:.1f} s"
    details = Text(f"{incident.cause} of {incident.subject[:_SUBJECT_CHARACTERS]}{ended}") + quiet(f" ({tried})")
    return "incident", word(incident.status), details


def _run(run: "RecordedRun") -> tuple[RenderableType, ...]:
    names = {outcome: [name for name, each in run.outcomes.items() if each == outcome] for outcome in _NOT_PASSED}
    not_passed = "; ".join(f"{outcome}: {', '.join(some)}" for outcome, some in names.items() if some)
    details = Text(f"{run.version} until {run.until}") + quiet(f" ({not_passed or 'all checks passed'})")
    return "monitor", word(run.diagnosis), details
