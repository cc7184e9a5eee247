"""`autopilot example`: a request body for the gateway, ready for `curl`."""

from typing import Annotated

import typer

from cli.options import HomeOption, PipelineArgument, settings_of


def example(
    pipeline: PipelineArgument,
    rows: Annotated[int, typer.Option(min=1, max=10_000, help="Number of rows in the request.")] = 1,
    home: HomeOption = None,
) -> None:
    """Print the lake's newest rows as a body for POST /invocations."""
    import json

    from cli.feature_rows import read_feature_rows
    from tasks.config.pipeline import load_pipeline

    settings = settings_of(home)
    known = read_feature_rows(settings, load_pipeline(pipeline, settings.pipelines_dir))
    print(json.dumps(known.body(known.rows[-rows:])))
