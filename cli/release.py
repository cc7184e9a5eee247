"""`autopilot release`: roll out a published model, show its progress, approve it, or abort its trial."""

import re
from difflib import get_close_matches
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli.options import (
    HomeOption,
    JsonOption,
    PipelineArgument,
    PipelineCommand,
    complete_pipeline,
    settings_of,
)
from healing.ab_rules import Ends

START = "start"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class _StartsByDefault(TyperGroup):
    """`release PIPELINE DIGEST` is short for `release start PIPELINE DIGEST`.

    The context has type Any: typer has its own copy of click and gives its types no public name.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named or not args or self._is_misspelt(args[0]) else [START, *args])

    def _is_misspelt(self, word: str) -> bool:
        """Whether the word looks like a command and is no pipeline; then the error suggests the command."""
        return bool(get_close_matches(word, self.commands)) and word not in complete_pipeline(word)


app = typer.Typer(
    cls=_StartsByDefault,
    no_args_is_help=True,
    help="Roll out a published model: `release PIPELINE DIGEST`. Show its progress, approve it, or abort its trial.",
)
ByOption = Annotated[str, typer.Option(help="Your name, for the record.")]


@app.command(START, cls=PipelineCommand)
def start(
    pipeline: PipelineArgument,
    digest: Annotated[str, typer.Argument(help="SHA-256 of a published model.")],
    *,
    reason: Annotated[str, typer.Option(help="Why, for the log.")] = "",
    approved_by: Annotated[
        str | None, typer.Option(help="Person who approves in advance, if an approval is needed.", show_default=False)
    ] = None,
    unfence_by: Annotated[
        str | None, typer.Option(help="Person who lifts the fence of a banned model.", show_default=False)
    ] = None,
    ab: Annotated[
        bool, typer.Option("--ab", help="Hold a fixed split and compare an outcome, instead of the canary stages.")
    ] = False,
    outcome: Annotated[
        str | None, typer.Option(help="A/B: an outcome in pipeline.yaml, or loss.", show_default=False)
    ] = None,
    split: Annotated[
        float | None, typer.Option(help="A/B: the challenger's share of clients.", show_default=False)
    ] = None,
    effect_min: Annotated[
        float | None, typer.Option(help="A/B: the smallest improvement that matters.", show_default=False)
    ] = None,
    ends: Annotated[
        Ends | None, typer.Option(help="A/B: who ends it before its time is over.", show_default=False)
    ] = None,
    days_max: Annotated[float | None, typer.Option(help="A/B: days after which it ends.", show_default=False)] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Print the progress on standard error.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a model on trial, and promote or abort it by the results. Exit 1 unless it serves at the end.

    With --ab, clients are split until a person ends the test (`release approve`, `release approve --reject`, `release
    abort`), or the policy does. Without the options marked A/B, `release.ab` in pipeline.yaml holds.
    """
    from cli.control_plane import enter
    from cli.output import print_result
    from cli.release_watch import shown
    from healing.errors import UsageError

    if not _DIGEST.fullmatch(digest):
        raise UsageError(
            f"expected the SHA-256 of a published model, 64 hexadecimal digits, found {digest!r}; "
            "`autopilot retrain` and `autopilot publish` print it"
        )
    given = {"outcome": outcome, "split": split, "effect_min": effect_min, "ends": ends, "days_max": days_max}
    if not ab and any(value is not None for value in given.values()):
        named = ", ".join("--" + name.replace("_", "-") for name, value in given.items() if value is not None)
        raise UsageError(f"expected --ab with {named}, found none; these are rules of an A/B test")
    settings = enter(home, pipeline)
    from flows.release import release as flow
    from tasks.config.ab_section import ABChanges

    changes = ABChanges.model_validate(given) if ab else None
    with shown(settings.release_root(pipeline), digest, enabled=watch):
        ended = flow(pipeline, digest, reason=reason, approved_by=approved_by, unfence_by=unfence_by, ab=changes)
    print_result(ended, as_json=as_json)
    if ended.result not in ("promoted", "bootstrapped"):
        raise typer.Exit(1)


@app.command(cls=PipelineCommand)
def status(pipeline: PipelineArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show the current rollout: stage, requests, evidence, and what is still needed."""
    from cli.output import print_result
    from cli.render.console import print_parts
    from cli.render.release import rollout_parts
    from tasks.config.pipeline import load_pipeline
    from tasks.rollout.rollout_status import read_rollout_status

    settings = settings_of(home)
    load_pipeline(pipeline, settings.pipelines_dir)
    state = read_rollout_status(settings.release_root(pipeline), settings.ledger_dsn, pipeline)
    if as_json:
        print_result(state, as_json=True)
        return
    print_parts(rollout_parts(state))


@app.command(cls=PipelineCommand)
def approve(
    pipeline: PipelineArgument,
    by: ByOption,
    reject: Annotated[bool, typer.Option("--reject", help="Answer no: the trial ends.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for the log.")] = "",
    home: HomeOption = None,
) -> None:
    """Answer the question of a rollout: may this version answer users, may an inconclusive stage continue?"""
    from tasks.config.pipeline import load_pipeline
    from tasks.rollout.approval import ApprovalAnswer, answer_rollout

    settings = settings_of(home)
    load_pipeline(pipeline, settings.pipelines_dir)
    answer = ApprovalAnswer(approve=not reject, by=by, reason=reason)
    question = answer_rollout(settings.release_root(pipeline), settings.ledger_dsn, pipeline, answer)
    print(f"{question}\n{answer.in_words}")


@app.command(cls=PipelineCommand)
def abort(
    pipeline: PipelineArgument,
    by: ByOption,
    reason: Annotated[str, typer.Option(help="Why, for the log.")],
    fence: Annotated[
        bool, typer.Option("--fence", help="Ban the model: only a person may put it on trial again.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Abort the current trial. Exit 1 when there is none."""
    from cli.control_plane import enter
    from cli.output import as_document, print_result

    settings = enter(home, pipeline)
    from tasks.rollout.release_changes import abort_by_person
    from tasks.rollout.release_events import announce_release

    aborted = abort_by_person(settings.release_root(pipeline), pipeline, by=by, reason=reason, fence=fence)
    announce_release(settings.ledger_dsn, aborted)
    facts: dict[str, Any] = {"generation": aborted.generation, "champion": as_document(aborted.champion)}
    print_result({**facts, "author": aborted.author, "note": aborted.note}, as_json=as_json)
