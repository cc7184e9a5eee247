"""`autopilot ingest`: fetch, validate and commit the missing days."""

from typing import Annotated

import typer

from cli.options import DayOption, HomeOption, JsonOption, PipelineArgument, day_of


def ingest(
    pipeline: PipelineArgument,
    since: DayOption = None,
    until: DayOption = None,
    again: Annotated[
        bool, typer.Option("--again", help="Request days that are in the lake once more, for corrections.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the lake up to date with the source."""
    from cli.control_plane import enter
    from cli.output import print_result
    from cli.progress_output import progress_shown

    enter(home, pipeline)
    from flows.ingest import ingest as flow

    with progress_shown():
        report = flow(pipeline, since=day_of(since), until=day_of(until), again=again)
    if as_json:
        print_result(report, as_json=True)
        return
    from cli.render.console import print_parts
    from cli.render.ingest import ingest_parts

    print_parts(ingest_parts(report))
