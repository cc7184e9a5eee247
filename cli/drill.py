"""`autopilot drill`: break the running stack on purpose, and measure how it recovers."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.drill_target import (
    TargetOption,
    print_plan,
    refusals_by_drill,
    served_pipeline,
    usage_errors,
    use_target,
)
from cli.options import HomeOption, JsonOption, PipelineOption, settings_of

if TYPE_CHECKING:
    from chaos.outcome import DrillOutcome

app = typer.Typer(no_args_is_help=True, help="Break the running stack on purpose, and measure how it recovers.")


def _complete_drill(incomplete: str) -> list[str]:
    """The drills that a shell offers, by the names of their files."""
    files = sorted((Path(__file__).parents[1] / "chaos" / "experiments").glob("*.yaml"))
    return [file.stem for file in files if file.stem.startswith(incomplete)]


@app.command()
def run(
    name: Annotated[
        str,
        typer.Argument(
            help="Name from `autopilot drill list`, pair-SEED, liveness-SEED, or a trial's directory.",
            autocompletion=_complete_drill,
        ),
    ],
    home: HomeOption = None,
    pipeline: PipelineOption = None,
    target: TargetOption = None,
    ablate: Annotated[str | None, typer.Option(help="Switch this remedy off; the drill should then fail.")] = None,
    trials: Annotated[int, typer.Option(min=1, max=1000, help="How often; ends at the first failed harness.")] = 1,
    dry: Annotated[bool, typer.Option("--dry", help="Print the faults and their leases, and break nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a drill against `autopilot up`, or against the stack of a target file.

    Exit 0 recovered, 1 not recovered, 2 usage, 3 no steady state before, 4 fault not proven, 5 harness failure,
    6 aborted. Of several trials, the highest code counts, and a code above 1 ends them.
    """
    from chaos.runner import run_drill

    settings = settings_of(home)
    code = 0
    with usage_errors():
        use_target(target)
        if dry:
            print_plan(name, settings, pipeline, ablate)
            return
        served = served_pipeline(settings, pipeline)
        for _ in range(trials):
            outcome = run_drill(name, settings.home, pipeline=served, ablate=ablate)
            print(outcome.model_dump_json(indent=2) if as_json else _describe(outcome))
            code = max(code, int(outcome.exit))
            if code > 1:
                break
    raise typer.Exit(code)


@app.command()
def shrink(
    name: Annotated[str, typer.Argument(help="pair-SEED or liveness-SEED.")],
    home: HomeOption = None,
    pipeline: PipelineOption = None,
    target: TargetOption = None,
) -> None:
    """Find the faults that a sampled drill needs to fail: run it, then smaller parts of it for as long as they fail.

    Exit 0 the whole drill recovers, 1 a smallest part is printed, 2 usage, 3 a trial decided nothing.
    """
    from chaos.experiment_files import planned_faults
    from chaos.runner import run_drill
    from chaos.shrink import Undecided, shrink_drill

    settings = settings_of(home)
    try:
        with usage_errors():
            use_target(target)
            served = served_pipeline(settings, pipeline)

            def run_one(part: str) -> "DrillOutcome":
                outcome = run_drill(part, settings.home, pipeline=served)
                print(_describe(outcome))
                return outcome

            shrunk = shrink_drill(name, len(planned_faults(name)), run_one)
    except Undecided as error:
        print(f"autopilot drill: {error}", file=sys.stderr)
        raise typer.Exit(3) from error
    print("the whole drill recovers" if shrunk.name is None else f"still fails: autopilot drill run {shrunk.name}")
    raise typer.Exit(0 if shrunk.name is None else 1)


@app.command("list")
def list_drills(
    home: HomeOption = None,
    pipeline: PipelineOption = None,
    target: TargetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the drills; with a target, whether each can run there, and why not."""
    from chaos.experiment_files import experiments
    from chaos.staging.target import active_target

    with usage_errors():
        use_target(target)
        reasons = refusals_by_drill(settings_of(home), pipeline) if active_target() else {}
    drills = experiments()
    if as_json:
        documents = [
            {"name": each.name, "tier": each.spec.tier, "title": each.title}
            | ({"refused": reasons[each.name]} if reasons else {})
            for each in drills
        ]
        print(json.dumps(documents, indent=2))
        return
    from cli.render.console import print_parts
    from cli.render.drill import drill_list_parts

    print_parts(drill_list_parts(drills, reasons))


@app.command()
def stop(home: HomeOption = None) -> None:
    """Stop the drill that runs: its faults are undone, and it ends with exit code 6."""
    from chaos.drill_lock import request_stop

    with usage_errors():
        request_stop(settings_of(home).home)


@app.command()
def clear(home: HomeOption = None, target: TargetOption = None) -> None:
    """Undo the faults that drills left behind when they were killed."""
    from chaos.drill_lock import clear_leftovers

    with usage_errors():
        use_target(target)
        undone = clear_leftovers(settings_of(home).home)
    print("\n".join(f"undone: {title}" for title in undone) or "nothing is left")


@app.command()
def report(
    home: HomeOption = None,
    as_json: JsonOption = False,
    html: Annotated[Path | None, typer.Option(help="Write the report as one HTML file.", show_default=False)] = None,
    gate: Annotated[
        bool, typer.Option("--gate", help="Compare with the committed baseline of this kind of machine.")
    ] = False,
    write_baseline: Annotated[
        Path | None, typer.Option(help="Write a baseline from these trials.", show_default=False)
    ] = None,
) -> None:
    """Summarise every stored trial: how many recovered, and how fast. Exit 1 if --gate finds a regression."""
    from chaos.outcome import read_outcomes
    from chaos.report import summarise, totals

    outcomes = read_outcomes(settings_of(home).home)
    if html is not None:
        from chaos.page.html import html_report

        html.write_text(html_report(outcomes), encoding="utf-8")
    if write_baseline is not None:
        from chaos.gate import baseline_of

        write_baseline.write_text(baseline_of(outcomes).model_dump_json(indent=1) + "\n", encoding="utf-8")
    summaries = summarise(outcomes)
    if as_json:
        print(json.dumps([summary.model_dump() for summary in summaries], indent=2))
    else:
        from cli.render.console import print_parts
        from cli.render.drill import drill_report_parts

        print_parts(drill_report_parts(summaries, totals(outcomes)))
    if gate:
        _gate(outcomes)


def _gate(outcomes: "Sequence[DrillOutcome]") -> None:
    """Print the regressions on standard error; typer.Exit(1) when there are any."""
    from chaos.gate import find_baseline, regressions
    from chaos.outcome import machine_kind

    baseline = find_baseline()
    if baseline is None:
        print(f"gate: no baseline for {machine_kind()}, nothing was compared", file=sys.stderr)
        return
    found = regressions(baseline, outcomes)
    for each in found:
        print(f"gate: {each.drill}: {each.why}", file=sys.stderr)
    if found:
        raise typer.Exit(1)


def _describe(outcome: "DrillOutcome") -> str:
    times = outcome.durations
    lines = [f"{outcome.name}: {outcome.exit.name.lower().replace('_', ' ')}: {outcome.reason}"]
    for word, interval in (
        ("detected", times.detect),
        ("acted", times.act),
        ("mitigated", times.mitigate),
        ("recovered", times.recover),
    ):
        if interval is not None:
            lines.append(f"  {word:<10} {interval[0]:7.2f} to {interval[1]:.2f} s")
    if outcome.requests.total:
        lines.append(
            f"  requests   {' '.join(f'{key}={value}' for key, value in outcome.requests.model_dump().items())}"
        )
    lines.append(f"  record     {outcome.directory}")
    return "\n".join(lines)
