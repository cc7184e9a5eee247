"""`autopilot heal`: one pass of the repair loop."""

from cli.options import HomeOption, JsonOption, PipelineArgument


def heal(pipeline: PipelineArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Collect evidence, resume what is unfinished, apply the mildest remedy that can work."""
    from cli.control_plane import enter
    from cli.output import print_result

    enter(home, pipeline)
    from flows.heal import heal as flow

    print_result(flow(pipeline), as_json=as_json)
