"""`autopilot retrain`: train a candidate, compare it, and release it if it is better; or train it again."""

from typing import Annotated

import typer

from cli.options import DayOption, HomeOption, JsonOption, PipelineArgument, day_of


def retrain(
    pipeline: PipelineArgument,
    until: DayOption = None,
    estimator: Annotated[
        str | None, typer.Option(help="module:function in place of the pipeline's own.", show_default=False)
    ] = None,
    skip_comparison: Annotated[
        bool, typer.Option("--skip-comparison", help="Release it whatever the comparison says; the record keeps that.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Train the same plan once more and say whether the same model comes of it.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train on the latest labelled days and release what wins on the same rows. Exit 1 if its rollout did not."""
    from cli.control_plane import enter
    from cli.output import print_result

    enter(home, pipeline)
    from flows.retrain import retrain as flow

    outcome = flow(pipeline, until=day_of(until), estimator=estimator, skip_comparison=skip_comparison, again=again)
    print_result(outcome, as_json=as_json)
    if outcome.result in ("aborted", "inconclusive"):
        raise typer.Exit(1)
