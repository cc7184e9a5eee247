"""`autopilot rollback`: make an earlier champion serve again."""

from typing import Annotated

import typer

from cli.options import HomeOption, JsonOption, PipelineArgument


def rollback(
    pipeline: PipelineArgument,
    to: Annotated[
        str | None,
        typer.Option(help="Version or digest to roll back to; the last good one by default.", show_default=False),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for the log.")] = "",
    away_from: Annotated[
        str | None,
        typer.Option(help="Digest to replace; nothing is done unless it is champion.", show_default=False),
    ] = None,
    unfence_by: Annotated[
        str | None,
        typer.Option(help="Person who lifts the fence of the model named by --to.", show_default=False),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Release an earlier, verified champion, and wait for the gateway. Exit 1 if the model answers wrongly."""
    from cli.control_plane import enter
    from cli.output import print_result

    enter(home, pipeline)
    from flows.rollback import rollback as flow
    from healing.verdict import Outcome

    outcome = flow(pipeline, to=to, reason=reason, unfence_by=unfence_by, away_from=away_from)
    print_result(outcome, as_json=as_json)
    if outcome.verified is Outcome.FAIL:
        raise typer.Exit(1)
