"""`autopilot incident list`: open and recent incidents."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.options import HomeOption, JsonOption, PipelineArgument, settings_of

INCIDENTS_SHOWN = 20


def list_incidents(
    pipeline: PipelineArgument,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of incidents to list.")] = INCIDENTS_SHOWN,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List open and recent incidents: open ones first, then the newest."""
    from cli.output import as_document, print_result
    from cli.report_lines import incidents_of
    from healing.incident import ENDED
    from tasks.config.pipeline import load_pipeline

    settings = settings_of(home)
    load_pipeline(pipeline, settings.pipelines_dir)
    now = datetime.now(UTC)
    # Open ones first, then the newest.
    lines = sorted(incidents_of(settings, pipeline, limit), key=lambda line: (line.status in ENDED, now - line.at))
    if as_json:
        documents = [{**as_document(line), "age_seconds": round((now - line.at).total_seconds(), 1)} for line in lines]
        print_result(documents, as_json=True)
        return
    from cli.render.console import print_parts
    from cli.render.incident import incident_table

    print_parts([incident_table(lines, now) if lines else "No incident is on record."])
