"""`autopilot drill`: break the running stack on purpose, and measure how it recovers."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import HomeOption, JsonOption, PipelineOption, default_pipeline, settings_of

if TYPE_CHECKING:
    from chaos.report import DrillSummary, Spread
    from chaos.runner import DrillOutcome

app = typer.Typer(no_args_is_help=True, help="Break the running stack on purpose, and measure how it recovers.")


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="Name of a drill; `autopilot drill list` shows them.")],
    home: HomeOption = None,
    pipeline: PipelineOption = None,
    ablate: Annotated[str | None, typer.Option(help="Switch this remedy off; the drill should then fail.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a drill against `autopilot up`.

    Exit 0 recovered, 1 not recovered, 2 usage, 3 no steady state before, 4 fault not proven, 5 harness failure,
    6 aborted.
    """
    from chaos.lab import StackDown
    from chaos.runner import WrongUsage, run_drill

    settings = settings_of(home)
    try:
        outcome = run_drill(name, settings.home, pipeline=pipeline or default_pipeline(settings), ablate=ablate)
    except (WrongUsage, StackDown) as error:
        print(f"autopilot drill: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    print(outcome.model_dump_json(indent=2) if as_json else _describe(outcome))
    raise typer.Exit(int(outcome.exit))


@app.command("list")
def list_drills(as_json: JsonOption = False) -> None:
    """List the drills."""
    import json

    from chaos.runner import experiments

    drills = experiments()
    if as_json:
        print(
            json.dumps([{"name": each.name, "tier": each.spec.tier, "title": each.title} for each in drills], indent=2)
        )
        return
    for each in drills:
        print(f"{each.name:<18} {each.spec.tier:<8} {each.title}")


@app.command()
def report(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Summarise every stored trial: how many recovered, and how fast."""
    import json

    from chaos.report import read_outcomes, summarise

    summaries = summarise(read_outcomes(settings_of(home).home))
    if as_json:
        print(json.dumps([summary.model_dump() for summary in summaries], indent=2))
        return
    if not summaries:
        print("No drill has been run yet; try `autopilot drill run noop`.")
    for summary in summaries:
        print(_describe_summary(summary))


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


def _describe_summary(summary: "DrillSummary") -> str:
    name = summary.name if summary.ablated is None else f"{summary.name} without {summary.ablated}"
    counts = (
        f"{name}: {summary.recovered}/{summary.trials} recovered (at least {summary.recovered_share_min:.0%} with 95 % "
        f"confidence), {summary.not_counted} not counted"
    )
    if summary.mitigate.p50 is None and summary.recovered == summary.trials:
        return counts  # nothing was broken, so there are no times
    mean = "none" if summary.mean_recover_seconds is None else f"{summary.mean_recover_seconds:.1f} s"
    return (
        f"{counts}\n  detect {_quantiles(summary.detect)}\n  mitigate {_quantiles(summary.mitigate)}\n"
        f"  recover {_quantiles(summary.recover)}; mean over recovered trials {mean}"
    )


def _quantiles(spread: "Spread") -> str:
    def show(seconds: float | None) -> str:
        return "never" if seconds is None else f"{seconds:.1f} s"

    return f"p50 {show(spread.p50)}, p90 {show(spread.p90)}, max {show(spread.max)}"
