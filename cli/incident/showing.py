"""`autopilot incident show`: one incident with its evidence, attempts and times."""

from typing import TYPE_CHECKING

from cli.incident.selection import IncidentArgument, incident_in_ledger
from cli.options import HomeOption, JsonOption, PipelineArgument

if TYPE_CHECKING:
    from healing.incident import Incident


def show(
    pipeline: PipelineArgument, incident_id: IncidentArgument, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Show one incident: its evidence, its attempts and its times."""
    from cli.output import as_document, print_result

    with incident_in_ledger(pipeline, incident_id, home) as (_, ledger, incident):
        written = ledger.post_mortem(incident.id)
    page = None if written is None else written.page
    if as_json:
        print_result({**as_document(incident), "page": page}, as_json=True)
    else:
        print_incident(incident, page)


def print_incident(incident: "Incident", page: str | None) -> None:
    """The incident as text; times in UTC. `page` is the file of its post-mortem."""
    print(f"{incident.cause} of {incident.subject}: {incident.status}")
    for name, value in (("incident", incident.id), ("pipeline", incident.pipeline), ("summary", incident.summary)):
        print(f"  {name:<10} {value}")
    times = {"detected": incident.detected_at, "mitigated": incident.mitigated_at, "ended": incident.ended_at}
    for name, moment in times.items():
        print(f"  {name:<10} {'not yet' if moment is None else f'{moment:%Y-%m-%d %H:%M:%S}Z'}")
    print(f"  {'page':<10} {page or 'none yet'}")
    print("evidence")
    for each in incident.evidence:
        print(f"  {each['observed_at']}  {each['observer']}: {each['summary']}")
        for fact, value in dict(each["facts"]).items():  # type: ignore[call-overload]
            print(f"    {fact}: {value}")
    print("attempts" if incident.attempts else "attempts: none")
    for attempt in incident.attempts:
        ended = "" if attempt.ended_at is None else f" until {attempt.ended_at:%H:%M:%S}Z"
        print(f"  {attempt.number}. {attempt.remedy} {attempt.outcome}, {attempt.started_at:%H:%M:%S}Z{ended}")
        if attempt.note:
            print(f"     {attempt.note}")
