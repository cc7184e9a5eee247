"""`autopilot heal`: run the repair loop once."""

from cli.options import HomeOption, JsonOption, PipelineArgument


def heal(pipeline: PipelineArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Record evidence, resume unfinished incidents, and apply the mildest remedy that can work."""
    from cli.control_plane import enter
    from cli.output import print_result

    enter(home, pipeline)
    from flows.heal import heal as flow

    print_result(flow(pipeline), as_json=as_json)
