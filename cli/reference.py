"""`autopilot reference`: write the reference of a pipeline's tables from trusted days."""

from datetime import datetime
from typing import Annotated

import typer

from cli.options import HomeOption, JsonOption, PipelineArgument

_Day = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"])]


def reference(
    pipeline: PipelineArgument, since: _Day, until: _Day, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Describe days in the lake that you trust, as the reference for checks of new batches.

    Writes medians, modes, categories, shares of missing values, and values that other columns determine, of every table
    that names a `reference` in pipeline.yaml. Review the difference before you commit it: whatever is in these days is
    usual from then on.
    """
    import json

    from cli.options import settings_of
    from tasks.config.pipeline import load_pipeline
    from tasks.ingestion.validation.reference import write_references

    settings = settings_of(home)
    config = load_pipeline(pipeline, settings.pipelines_dir, reference_needed=False)
    written = write_references(config, settings.lake_root(pipeline), since.date(), until.date())
    if as_json:
        print(json.dumps([{"path": str(path), "rows": found.rows} for path, found in written]))
        return
    for path, found in written:
        print(f"{path}: {found.rows} rows from {found.since} to {found.until}")
    if not written:
        print(f"no table of {pipeline} names a reference; add one to its pipeline.yaml")
