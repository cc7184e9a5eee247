"""`autopilot retrospect`: judge a trial that is in the log again, by the same judge and the same or other rules."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import DayOption, HomeOption, JsonOption, PipelineArgument

if TYPE_CHECKING:
    from tasks.rollout.trial_replay import Retrospect


def retrospect(
    pipeline: PipelineArgument,
    digest: Annotated[str | None, typer.Option(help="First digits of the challenger's; else the last.")] = None,
    since: DayOption = None,
    until: DayOption = None,
    alpha: Annotated[float | None, typer.Option(help="Chance of aborting a sound challenger.")] = None,
    rules: Annotated[
        list[str] | None, typer.Option("--set", help="Another rule, as NAME=VALUE; may be given often.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what the judge would have done with a logged trial, when and why, beside what was done."""
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
    """The trial in lines for a person: what would have been, stage by stage, and what was."""
    lines = [
        f"challenger {found.challenger} against champion {found.champion}",
        f"would have been   {found.decision}: {found.reason}",
        f"was               {found.done}",
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
