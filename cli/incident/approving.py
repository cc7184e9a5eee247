"""`autopilot incident approve`: a person's answer about a remedy that waits for an approval."""

from typing import Annotated

import typer

from cli.incident.selection import IncidentArgument, incident_in_ledger
from cli.options import HomeOption, JsonOption, PipelineArgument


def approve(
    pipeline: PipelineArgument,
    incident_id: IncidentArgument,
    by: Annotated[str, typer.Option(help="Your name, for the record.")],
    refuse: Annotated[bool, typer.Option("--refuse", help="The remedy is not tried for this incident.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    remedy: Annotated[
        str | None, typer.Option(help="The remedy, where several wait for an approval.", show_default=False)
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve or refuse the remedy that an incident waits with. The healer goes on within a second."""
    from cli.output import print_result
    from healing.approval import ApprovalOutcome
    from healing.errors import UsageError
    from healing.incident import Remedy
    from tasks.config.suggestion import did_you_mean

    if remedy is not None and remedy not in set(Remedy):
        listed, meant = ", ".join(Remedy), did_you_mean(remedy, Remedy)
        raise UsageError(f"expected one of {listed} for --remedy, found {remedy!r}{meant}")
    chosen = None if remedy is None else Remedy(remedy)
    outcome = ApprovalOutcome.REFUSED if refuse else ApprovalOutcome.APPROVED
    with incident_in_ledger(pipeline, incident_id, home) as (_, ledger, incident):
        answer = ledger.answer_approval(incident.id, outcome, by=by, reason=reason, remedy=chosen)
    if as_json:
        print_result(answer, as_json=True)
    else:
        print(f"{answer.remedy} {answer.outcome} as attempt {answer.number} of incident {incident.id}, by {by}")
