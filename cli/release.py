"""`autopilot release`: roll a published model out, see how far it is, approve it, or end its trial."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli.options import HomeOption, JsonOption, PipelineArgument, PipelineCommand, settings_of

START = "start"


class _StartsByDefault(TyperGroup):
    """`release PIPELINE DIGEST` is `release start PIPELINE DIGEST`: what it does nine times in ten needs no verb.

    The context is any: typer has a click of its own and gives its types no public name.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named or not args else [START, *args])


app = typer.Typer(
    cls=_StartsByDefault,
    no_args_is_help=True,
    help="Roll a published model out: `release PIPELINE DIGEST`. See how far it is, approve it, or end its trial.",
)
ByOption = Annotated[str, typer.Option(help="Who says so; it goes on record.")]


@app.command(START, cls=PipelineCommand)
def start(
    pipeline: PipelineArgument,
    digest: Annotated[str, typer.Argument(help="SHA-256 of a published model.")],
    reason: Annotated[str, typer.Option(help="Why, for the log.")] = "",
    approved_by: Annotated[
        str | None, typer.Option(help="Who approves in advance, where a person would be asked.", show_default=False)
    ] = None,
    unfence_by: Annotated[
        str | None, typer.Option(help="Who answers for a model that was banned.", show_default=False)
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Tell on standard error how far it is.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a model on trial; promote or abort it by what its traffic shows. Exit 1 unless it now serves."""
    from cli.control_plane import enter
    from cli.output import print_result
    from cli.release_watch import shown

    settings = enter(home, pipeline)
    from flows.release import release as flow

    with shown(settings.release_root(pipeline), digest, enabled=watch):
        outcome = flow(pipeline, digest, reason=reason, approved_by=approved_by, unfence_by=unfence_by)
    print_result(outcome, as_json=as_json)
    if outcome.result not in ("promoted", "bootstrapped"):
        raise typer.Exit(1)


@app.command(cls=PipelineCommand)
def status(pipeline: PipelineArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show the rollout that is going on, whoever runs it: stage, exposure, evidence, what is still needed."""
    from cli.output import print_result
    from tasks.config.pipeline import load_pipeline
    from tasks.rollout.progress import progress_page
    from tasks.rollout.rollout_status import read_rollout_status

    settings = settings_of(home)
    load_pipeline(pipeline, settings.pipelines_dir)
    state = read_rollout_status(settings.release_root(pipeline), pipeline)
    if as_json:
        print_result(state, as_json=True)
        return
    print(state.in_words)
    if state.progress is not None:
        print(f"\n{progress_page(state.progress)}")


@app.command(cls=PipelineCommand)
def approve(
    pipeline: PipelineArgument,
    by: ByOption,
    reject: Annotated[bool, typer.Option("--reject", help="The answer is no: the trial ends.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for the log.")] = "",
    home: HomeOption = None,
) -> None:
    """ApprovalAnswer what a rollout asks: may this version answer users, may an undecided stage go on?"""
    from tasks.config.pipeline import load_pipeline
    from tasks.rollout.approval import ApprovalAnswer, answer_rollout

    settings = settings_of(home)
    load_pipeline(pipeline, settings.pipelines_dir)
    answer = ApprovalAnswer(approve=not reject, by=by, reason=reason)
    asked = answer_rollout(settings.release_root(pipeline), settings.ledger_dsn, pipeline, answer)
    print(f"{asked}\n{answer.in_words}")


@app.command(cls=PipelineCommand)
def abort(
    pipeline: PipelineArgument,
    by: ByOption,
    reason: Annotated[str, typer.Option(help="Why, for the log.")],
    fence: Annotated[
        bool, typer.Option("--fence", help="It did harm: it may not come back unless a person answers for it.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """End the trial that is on, now. Exit 1 when there is none."""
    from cli.control_plane import enter
    from cli.output import as_document, print_result

    settings = enter(home, pipeline)
    from tasks.rollout.release_changes import abort_by_person
    from tasks.rollout.release_events import announce_release

    ended = abort_by_person(settings.release_root(pipeline), pipeline, by=by, reason=reason, fence=fence)
    announce_release(settings.ledger_dsn, ended)
    facts: dict[str, Any] = {"generation": ended.generation, "champion": as_document(ended.champion)}
    print_result({**facts, "author": ended.author, "note": ended.note}, as_json=as_json)
