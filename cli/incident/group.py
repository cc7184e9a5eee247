"""The command group `autopilot incident`. Each command has its own file, and is registered here."""

import typer

from cli.incident.approving import approve
from cli.incident.explaining import explain
from cli.incident.listing import list_incidents
from cli.incident.showing import show
from cli.options import PipelineCommand

app = typer.Typer(no_args_is_help=True, help="List, show and explain incidents, and approve a remedy.")

app.command("list", cls=PipelineCommand)(list_incidents)
app.command(cls=PipelineCommand)(show)
app.command(cls=PipelineCommand)(explain)
app.command(cls=PipelineCommand)(approve)
