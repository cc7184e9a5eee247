"""`autopilot bootstrap`: ingest, train and release the first model of a pipeline."""

import importlib
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import HomeOption, JsonOption, PipelineArgument

if TYPE_CHECKING:
    from tasks.rollout.retrain_outcome import RetrainOutcome

EXIT_FAILED = 1


def bootstrap(
    pipeline: PipelineArgument,
    until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day to ingest and to train on.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ingest all days up to a day, train on them, and release the first model.

    Where the pipeline's model is worse than a simple model, the linear model that `init` wrote is released.
    Exit 1 if nothing is better than the base rate: then nothing serves.
    """
    from cli.control_plane import enter
    from cli.output import as_document, print_result
    from cli.progress_output import progress_shown
    from cli.render.console import print_parts
    from cli.render.retrain import bootstrap_parts

    settings = enter(home, pipeline, meanwhile=_load_libraries)
    from flows.ingest import ingest
    from flows.retrain import retrain
    from tasks.onboarding.estimator import LINEAR_FILE, LINEAR_REFERENCE
    from tasks.onboarding.page import write_completed_page
    from tasks.rollout.retrain_outcome import RetrainResult
    from tasks.training.baselines import SIMPLE_MODEL

    day = until.date()
    with progress_shown():
        _report(f"ingest {pipeline} until {day}")
        ingested = ingest(pipeline, until=day)
        _report(f"train {pipeline}: {ingested.feature_rows} new rows with features")
        trained = retrain(pipeline, until=day)
        has_linear = (settings.pipelines_dir / pipeline / LINEAR_FILE).is_file()
        if trained.result is RetrainResult.NOT_BETTER and SIMPLE_MODEL in _blocking(trained) and has_linear:
            _report(f"the model is worse than {SIMPLE_MODEL}; train {LINEAR_FILE} in its place")
            trained = retrain(pipeline, until=day, estimator=LINEAR_REFERENCE)
    page = write_completed_page(trained, settings.pipelines_dir, settings.reports_dir, settings.release_root(pipeline))
    if as_json:
        print_result({"ingest": as_document(ingested), "retrain": as_document(trained)}, as_json=True)
    else:
        print_parts(bootstrap_parts(ingested, trained))
        print(f"page: {page}")
    if trained.result is RetrainResult.NOT_BETTER:
        reasons = "; ".join(each.reason for each in trained.comparisons if each.blocks)
        print(
            f"autopilot: nothing was released: {reasons}; add rows or columns, change model.py, or release the model "
            f"in any case with `autopilot retrain {pipeline} --until {day} --skip-comparison`",
            file=sys.stderr,
        )
        raise typer.Exit(EXIT_FAILED)


def _load_libraries() -> None:
    """Import what every bootstrap needs: ten seconds of processor time, while the other core starts Prefect."""
    from tasks.ingestion.validation.preload import load_library

    load_library()
    for name in ("mlflow.sklearn", "skops.io", "sklearn.ensemble"):
        importlib.import_module(name)


def _blocking(trained: "RetrainOutcome") -> set[str]:
    """The baselines that keep the model from being released."""
    return {each.against for each in trained.comparisons if each.blocks}


def _report(step: str) -> None:
    """One line of progress on standard error."""
    print(f"autopilot: {step}", file=sys.stderr)
