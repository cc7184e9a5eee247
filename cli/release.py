"""`autopilot release`: roll a published model out through canary traffic."""

from typing import Annotated

import typer

from cli.options import HomeOption, JsonOption, PipelineArgument


def release(
    pipeline: PipelineArgument,
    digest: Annotated[str, typer.Argument(help="SHA-256 of a published model.")],
    reason: Annotated[str, typer.Option(help="Why, for the log.")] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a model on trial; promote or abort it by what its traffic shows. Exit 1 unless it now serves."""
    from cli.control_plane import enter
    from cli.output import print_result

    enter(home, pipeline)
    from flows.release import release as flow

    outcome = flow(pipeline, digest, reason=reason)
    print_result(outcome, as_json=as_json)
    if outcome.result not in ("promoted", "bootstrapped"):
        raise typer.Exit(1)
