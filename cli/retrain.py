"""`autopilot retrain`: train a candidate, compare it, and release it if it is better; or repeat a training."""

from typing import Annotated

import typer

from cli.options import DayOption, HomeOption, JsonOption, PipelineArgument, day_of


def retrain(
    pipeline: PipelineArgument,
    until: DayOption = None,
    estimator: Annotated[
        str | None,
        typer.Option(help="Estimator as module:function, instead of the pipeline's own.", show_default=False),
    ] = None,
    skip_comparison: Annotated[
        bool, typer.Option("--skip-comparison", help="Release the candidate even if a comparison blocks it.")
    ] = False,
    again: Annotated[
        bool,
        typer.Option("--again", help="Train an earlier plan a second time, and report whether the same model results."),
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train on the newest labelled days, and release the candidate if it is better. Exit 1 if its rollout fails."""
    from cli.control_plane import enter
    from cli.output import print_result
    from cli.progress_output import progress_shown
    from cli.render.console import print_parts
    from cli.render.retrain import retrain_parts

    enter(home, pipeline)
    from flows.retrain import retrain as flow

    with progress_shown():
        outcome = flow(pipeline, until=day_of(until), estimator=estimator, skip_comparison=skip_comparison, again=again)
    if as_json:
        print_result(outcome, as_json=True)
    else:
        print_parts(retrain_parts(outcome))
    if outcome.result in ("aborted", "inconclusive"):
        raise typer.Exit(1)
