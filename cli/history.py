"""`autopilot history`: releases, monitor runs and incidents in the order of time."""

from typing import Annotated

import typer

from cli.options import HomeOption, JsonOption, PipelineArgument, settings_of


def history(
    pipeline: PipelineArgument,
    limit: Annotated[
        int, typer.Option(min=1, help="At most this many releases, incidents and monitor runs each.")
    ] = 20,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show releases, incidents and what the monitor found, oldest first."""
    from cli.output import as_document, print_result
    from cli.report_lines import incidents_of, releases_of
    from tasks.config.pipeline import load_pipeline
    from tasks.monitoring.history import read_history

    settings = settings_of(home)
    load_pipeline(pipeline, settings.pipelines_dir)
    releases = releases_of(settings, pipeline)[-limit:]
    incidents = incidents_of(settings, pipeline, limit)[::-1]
    runs = read_history(settings.lake_root(pipeline), limit)
    if as_json:
        parts = {"releases": releases, "incidents": incidents, "monitor": runs}
        print_result({name: as_document(part) for name, part in parts.items()}, as_json=True)
        return
    from cli.render.console import print_parts
    from cli.render.history import history_parts

    print_parts(history_parts(releases, incidents, runs))
