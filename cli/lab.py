"""`autopilot lab`: a whole stack on loopback with a fault proxy, open-loop load and an independent oracle."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.interruption import stop_at_signals
from cli.options import HomeOption, JsonOption, PipelineArgument, PipelineCommand, settings_of

app = typer.Typer(no_args_is_help=True, help="A stack to break: with a fault proxy, load and an oracle.")
SILENT_SECONDS_MAX = 30.0


@app.command(cls=PipelineCommand)
def up(
    pipeline: PipelineArgument,
    home: HomeOption = None,
    rate: Annotated[float, typer.Option(min=0.1, max=1000, help="Requests per second.")] = 10.0,
    ready_file: Annotated[Path | None, typer.Option(help="Written once everything is healthy.")] = None,
) -> None:
    """Start `autopilot up` behind a fault proxy, with load and an oracle; end them all at Ctrl-C.

    `autopilot drill run NAME --target HOME/lab/target.yaml` breaks it.
    """
    stopping = stop_at_signals()
    from cli.stack.run import run
    from cli.stack.staging import Staging
    from observability.service_output import keep_running_without_output

    keep_running_without_output()
    settings = settings_of(home)
    ledger = settings.ledger_url
    staging = Staging(
        rate_per_second=rate,
        ledger_url="" if ledger is None else ledger.get_secret_value(),
        tracking_uri=settings.mlflow_tracking_uri or "",
    )
    run(settings, pipeline, {}, ready_file, stopping, staging)


@app.command()
def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show the requests of the lab by class of answer. Exit 1 when an answer was wrong, or when no oracle runs."""
    from chaos.staging.counts import OracleCounts
    from cli.stack.staging import target_file

    settings = settings_of(home)
    directory = target_file(settings.home).parent
    counts = OracleCounts.read(directory)
    runs = time.time() - counts.updated_at < SILENT_SECONDS_MAX
    document: dict[str, Any] = {
        "runs": runs,
        "champion": counts.champion,
        "generation": counts.generation,
        "requests": counts.requests.model_dump(),
        "target": str(target_file(settings.home)),
    }
    if as_json:
        print(json.dumps(document, indent=2))
    elif not runs:
        print("no lab runs on this home; start one with `autopilot lab up`")
    else:
        print(f"champion   {counts.champion[:12] or 'none yet; release one with `autopilot bootstrap`'}")
        print("requests   " + " ".join(f"{name}={count}" for name, count in counts.requests.model_dump().items()))
        print(f"target     {target_file(settings.home)}")
    raise typer.Exit(0 if runs and not counts.requests.wrong else 1)
