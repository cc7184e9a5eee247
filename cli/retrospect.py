"""`autopilot retrospect`: judge a logged trial again, by the same or by other rules."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import DayOption, HomeOption, JsonOption, PipelineArgument

if TYPE_CHECKING:
    from tasks.rollout.trial_replay import Retrospect


def retrospect(
    pipeline: PipelineArgument,
    digest: Annotated[str | None, typer.Option(help="First digits of the challenger's digest.")] = None,
    since: DayOption = None,
    until: DayOption = None,
    alpha: Annotated[float | None, typer.Option(help="Probability of aborting a sound challenger.")] = None,
    rules: Annotated[
        list[str] | None, typer.Option("--set", help="Another value of a rule, NAME=VALUE; may be repeated.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay a logged trial: the decision on each stage, when and why, beside how the trial really ended."""
    from cli.control_plane import enter
    from cli.output import print_result

    enter(home, pipeline)
    from flows.retrospect import retrospect as flow

    given = [text.partition("=") for text in [*(rules or []), *([] if alpha is None else [f"alpha={alpha}"])]]
    found = flow(
        pipeline,
        digest,
        None if since is None else since.astimezone(),
        None if until is None else until.astimezone(),
        {name: value for name, _, value in given},
    )
    if as_json:
        print_result(found, as_json=True)
    else:
        print("\n".join(lines_of(found)))


def lines_of(found: "Retrospect") -> list[str]:
    """The replayed trial as text: its decision, its real end, and each stage."""
    lines = [
        f"challenger {found.challenger} against champion {found.champion}",
        f"replay   {found.decision}: {found.reason}",
        f"actual   {found.done}",
    ]
    for stage in found.stages:
        lines.append(
            f"  {stage.mode} {stage.weight:<6.1%} {stage.decision} at request {stage.request} of "
            f"{stage.requests_logged}, {stage.at:%Y-%m-%d %H:%M:%S}Z: {stage.reason}"
        )
        lines += [
            f"    {check.check:<13} log e {check.log_e:6.2f} of {check.threshold_log_e:.2f}" for check in stage.checks
        ]
        lines += [f"    {note}" for note in stage.notes]
    return lines
