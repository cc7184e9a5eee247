"""`autopilot monitor`: judge quality, drift, data and serving of the latest windows."""

from cli.options import DayOption, HomeOption, JsonOption, PipelineArgument, day_of


def monitor(
    pipeline: PipelineArgument, until: DayOption = None, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Check whether the champion still predicts well, and diagnose why not."""
    from cli.control_plane import enter
    from cli.output import print_result

    enter(home, pipeline)
    from flows.monitor import monitor as flow

    print_result(flow(pipeline, until=day_of(until)), as_json=as_json)
