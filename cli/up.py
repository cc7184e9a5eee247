"""`autopilot up`: the whole stack on loopback ports, until Ctrl-C."""

from pathlib import Path
from typing import Annotated

import typer

from cli.interruption import stop_at_signals
from cli.options import HomeOption, PipelineOption, default_pipeline, settings_of

PortOption = Annotated[int | None, typer.Option(min=1, max=65535, help="A free port by default.", show_default=False)]


def up(
    home: HomeOption = None,
    pipeline: PipelineOption = None,
    gateway_port: PortOption = None,
    operate_port: PortOption = None,
    prefect_port: PortOption = None,
    ready_file: Annotated[Path | None, typer.Option(help="Written once everything is healthy.")] = None,
) -> None:
    """Start Prefect, a worker, the deployments, the feed and the gateway; end them all at Ctrl-C."""
    stopping = stop_at_signals()
    from cli.stack.run import run
    from observability.service_output import keep_running_without_output

    keep_running_without_output()
    settings = settings_of(home)

    wanted = {"gateway": gateway_port, "operate": operate_port, "prefect": prefect_port}
    ports = {name: port for name, port in wanted.items() if port}
    run(settings, pipeline or default_pipeline(settings), ports, ready_file, stopping)
