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

    report = flow(pipeline, until=day_of(until))
    if as_json:
        print_result(report, as_json=True)
        return
    from cli.render.console import print_parts
    from cli.render.monitor import monitor_parts

    print_parts(monitor_parts(report))
