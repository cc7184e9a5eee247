"""`autopilot incident show`: one incident with its evidence, attempts and times."""

from cli.incident.selection import IncidentArgument, incident_in_ledger
from cli.options import HomeOption, JsonOption, PipelineArgument


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
        from cli.render.console import print_parts
        from cli.render.incident import incident_parts

        print_parts(incident_parts(incident, page))
