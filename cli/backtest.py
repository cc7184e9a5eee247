"""`autopilot backtest`: what each retraining policy would have done on the pipeline's own history."""

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import HomeOption, JsonOption, PipelineArgument, day_of, settings_of

if TYPE_CHECKING:
    from tasks.backtest.report import BacktestReport, PolicyResult

PROCESSES_MAX = 4  # each keeps the history in memory


def backtest(
    pipeline: PipelineArgument,
    since: Annotated[
        datetime | None,
        typer.Option("--from", show_default=False, formats=["%Y-%m-%d"], help="First day that a model serves."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", show_default=False, formats=["%Y-%m-%d"], help="Last day that is scored.")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(min=1, show_default=False, help="Processes that fit; without it one per core, at most four."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay retraining policies on the ingested days: loss, retrains, wrong promotions and cost, as table and page."""
    from cli.control_plane import log_to_stderr
    from cli.output import print_result
    from cli.progress_output import progress_shown

    log_to_stderr()
    from tasks.backtest.page import write_page
    from tasks.backtest.run import BacktestRequest, run_backtest

    settings = settings_of(home)
    request = BacktestRequest(
        pipeline=pipeline,
        pipelines_dir=settings.pipelines_dir,
        lake_root=settings.lake_root(pipeline),
        folder=settings.backtest_dir(pipeline),
        since=day_of(since),
        until=day_of(until),
        processes=processes or min(PROCESSES_MAX, os.cpu_count() or 1),
    )
    with progress_shown() as show:
        report = run_backtest(request, show)
    page = write_page(report, settings.reports_dir / pipeline)
    if as_json:
        print_result({**report.model_dump(mode="json"), "page": str(page)}, as_json=True)
    else:
        _print_table(report, page)


def _print_table(report: "BacktestReport", page: Path) -> None:
    scored = "" if report.scored_rows == report.rows else f", {report.scored_rows:,} of them scored"
    print(f"{report.pipeline}, {report.first_day} to {report.last_day}: {report.rows:,} labelled rows{scored}")
    width = max(len(policy.title) for policy in report.policies) + 2
    print(
        f"{'policy':<{width}} {report.measure:>13} {'more than configured (90 %)':>31} {'retrains':>9} {'promoted':>9} "
        f"{'returned':>9} {'wrong':>6} {'cost area':>10} {'÷ optimum':>10}"
    )
    for policy in report.policies:
        print(_line(policy, width, configured=policy.name == report.configured))
    best = report.optimum
    print(
        f"{'offline optimum':<{width}} {best.loss:>13.4f} {'':>31} {best.retrains_free:>9} {'':>9} {'':>9} {'':>6} "
        f"{best.cost_area:>10.4f} {1:>10.3f}"
    )
    print("* configured in pipeline.yaml")
    print(report.suggestion)
    print(f"page: {page}")


def _line(policy: "PolicyResult", width: int, *, configured: bool) -> str:
    more = policy.more_than_configured
    interval = "" if more is None else f"{more.mean:+.4f} ({more.lower:+.4f} to {more.upper:+.4f})"
    title = f"{policy.title} *" if configured else policy.title
    return (
        f"{title:<{width}} {policy.loss:>13.4f} {interval:>31} {policy.retrains_shown:>9} {policy.promotions:>9} "
        f"{policy.returns:>9} {policy.wrong_promotions:>6} "
        f"{policy.cost_area:>10.4f} {policy.cost_area_over_optimum:>10.3f}"
    )
