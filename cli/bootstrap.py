"""`autopilot bootstrap`: ingest, train and release the first model of a pipeline."""

from datetime import datetime
from typing import Annotated

import typer

from cli.options import HomeOption, JsonOption, PipelineArgument


def bootstrap(
    pipeline: PipelineArgument,
    until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day to ingest and to train on.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ingest all days up to a day, train on them, and release the first model."""
    from cli.control_plane import enter
    from cli.output import as_document, print_result

    enter(home, pipeline)
    from flows.ingest import ingest
    from flows.retrain import retrain

    day = until.date()
    ingested = as_document(ingest(pipeline, until=day))
    trained = as_document(retrain(pipeline, until=day))
    print_result({"ingest": ingested, "retrain": trained}, as_json=as_json)
