"""`autopilot incident list`: open and recent incidents."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import HomeOption, JsonOption, PipelineArgument, settings_of

if TYPE_CHECKING:
    from cli.report_lines import IncidentLine

INCIDENTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class ListedIncident:
    """One incident with its age in seconds."""

    age_seconds: float
    incident: "IncidentLine"


def list_incidents(
    pipeline: PipelineArgument,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of incidents to list.")] = INCIDENTS_SHOWN,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List open and recent incidents: open ones first, then the newest."""
    from cli.output import as_document, print_result
    from cli.report_lines import incidents_of
    from healing.incident import ENDED
    from tasks.config.pipeline import load_pipeline

    settings = settings_of(home)
    load_pipeline(pipeline, settings.pipelines_dir)
    now = datetime.now(UTC)
    lines = [ListedIncident((now - line.at).total_seconds(), line) for line in incidents_of(settings, pipeline, limit)]
    listed = sorted(lines, key=lambda each: (each.incident.status in ENDED, each.age_seconds))
    if as_json:
        documents = [{**as_document(each.incident), "age_seconds": round(each.age_seconds, 1)} for each in listed]
        print_result(documents, as_json=True)
        return
    print_list(listed)


def print_list(listed: list[ListedIncident]) -> None:
    """One line per incident."""
    if not listed:
        print("No incident is on record.")
        return
    print(f"{'id':<9} {'age':>7}  {'status':<10} {'cause':<24} {'subject':<20} attempts")
    for each in listed:
        line = each.incident
        print(
            f"{line.id[:8]:<9} {age_in_words(each.age_seconds):>7}  {line.status:<10} {line.cause:<24} "
            f"{line.subject[:20]:<20} {', '.join(line.remedies) or 'none'}"
        )


def age_in_words(seconds: float) -> str:
    """The age in its largest unit, such as `12 min`."""
    for unit, length in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
