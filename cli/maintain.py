"""`autopilot maintain`: compact the lake and delete old files."""

from typing import Annotated

import typer

from cli.options import HomeOption, JsonOption, PipelineArgument


def maintain(
    pipeline: PipelineArgument,
    retention_days: Annotated[int, typer.Option(min=0, help="Days for which every version stays readable.")] = 30,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compact the lake's small files, and delete those that no rollback, model or snapshot needs."""
    from cli.control_plane import enter
    from cli.output import print_result

    enter(home, pipeline)
    from flows.maintain import maintain as flow

    print_result(flow(pipeline, retention_days=retention_days), as_json=as_json)
