"""`autopilot monitor`: judge drift and quality of the latest window."""

from cli.options import DayOption, HomeOption, JsonOption, PipelineArgument, day_of


def monitor(
    pipeline: PipelineArgument, until: DayOption = None, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Compare what the model meets and answers now with what it learned from."""
    from cli.control_plane import enter
    from cli.output import print_result

    enter(home, pipeline)
    from flows.monitor import monitor as flow

    print_result(flow(pipeline, until=day_of(until)), as_json=as_json)
