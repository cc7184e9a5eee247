"""`autopilot rollback`: let an earlier champion serve again."""

from typing import Annotated

import typer

from cli.options import HomeOption, JsonOption, PipelineArgument


def rollback(
    pipeline: PipelineArgument,
    to: Annotated[
        str | None,
        typer.Option(help="Version or digest to return to; the last known good one by default.", show_default=False),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for the log.")] = "",
    away_from: Annotated[
        str | None,
        typer.Option(help="Digest to leave; nothing is done when it is not champion any more.", show_default=False),
    ] = None,
    unfence_by: Annotated[
        str | None,
        typer.Option(help="Who lifts the fence of the model named by --to, and answers for it.", show_default=False),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a release with an earlier, verified champion, and see the gateway follow. Exit 1 if it answers wrongly."""
    from cli.control_plane import enter
    from cli.output import print_result

    enter(home, pipeline)
    from flows.rollback import rollback as flow
    from healing.verdict import Outcome

    outcome = flow(pipeline, to=to, reason=reason, unfence_by=unfence_by, away_from=away_from)
    print_result(outcome, as_json=as_json)
    if outcome.verified is Outcome.FAIL:
        raise typer.Exit(1)
