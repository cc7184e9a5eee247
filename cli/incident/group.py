"""The command group `autopilot incident`. Each command has its own file, and is registered here."""

import typer

from cli.incident.explaining import explain
from cli.incident.listing import list_incidents
from cli.incident.showing import show
from cli.options import PipelineCommand

app = typer.Typer(no_args_is_help=True, help="List incidents, show one, and explain what the system decided.")

app.command("list", cls=PipelineCommand)(list_incidents)
app.command(cls=PipelineCommand)(show)
app.command(cls=PipelineCommand)(explain)
