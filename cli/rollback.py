"""`autopilot rollback`: let an earlier champion serve again."""

from typing import Annotated

import typer

from cli.options import HomeOption, JsonOption, PipelineArgument


def rollback(
    pipeline: PipelineArgument,
    to: Annotated[
        str | None, typer.Option(help="Digest to return to; the last known good one by default.", show_default=False)
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for the log.")] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a release with an earlier, verified champion, and see the gateway follow."""
    from cli.control_plane import enter
    from cli.output import print_result

    enter(home, pipeline)
    from flows.rollback import rollback as flow

    print_result(flow(pipeline, to=to, reason=reason), as_json=as_json)
