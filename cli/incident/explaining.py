"""`autopilot incident explain`: why the system did what it did about one incident."""

from cli.incident.selection import IncidentArgument, incident_in_ledger
from cli.options import HomeOption, JsonOption, PipelineArgument


def explain(
    pipeline: PipelineArgument, incident_id: IncidentArgument, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Explain one incident: evidence, common causes, remedies and why not, verification, and why it ended."""
    from cli.output import print_result
    from tasks.incidents.post_mortem.account import account_of

    with incident_in_ledger(pipeline, incident_id, home) as (_, ledger, incident):
        account = account_of(ledger, incident)
    if as_json:
        print_result(account, as_json=True)
    else:
        from cli.render.console import print_parts
        from cli.render.incident import account_parts

        print_parts(account_parts(account))
