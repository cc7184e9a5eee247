"""The `autopilot` command. Each command's own file imports what it needs when it runs, so `--help` is quick."""

import sys

import typer

from cli import drill, lab, quarantine, release
from cli.backtest import backtest
from cli.bootstrap import bootstrap
from cli.demo.command import demo
from cli.doctor.command import doctor
from cli.example import example
from cli.heal import heal
from cli.history import history
from cli.incident import group as incident
from cli.ingest import ingest
from cli.init import init
from cli.maintain import maintain
from cli.monitor import monitor
from cli.options import PipelineCommand
from cli.pause import pause, resume
from cli.publish import publish
from cli.reference import reference
from cli.retrain import retrain
from cli.retrospect import retrospect
from cli.rollback import rollback
from cli.status import status
from cli.up import up
from healing.errors import AutopilotError, ConfigError, UsageError

EXIT_FAILED = 1
EXIT_USAGE = 2

app = typer.Typer(
    name="autopilot",
    help="A self-healing system for tabular models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_SET_UP = (demo, up, init, reference, bootstrap)
_RUN = (ingest, monitor, retrain, publish, rollback, heal, maintain, pause, resume)
_SHOW = (status, history, backtest, retrospect, example)
for command in (*_SET_UP, *_RUN, *_SHOW):
    app.command(cls=PipelineCommand)(command)
app.command()(doctor)
app.add_typer(release.app, name="release")
app.add_typer(incident.app, name="incident")
app.add_typer(drill.app, name="drill")
app.add_typer(lab.app, name="lab")
app.add_typer(quarantine.app, name="quarantine")


@app.callback()
def _root() -> None:
    """A self-healing system for tabular models."""


def main() -> None:
    """Run one command: exit 0 done, 1 failed, 2 the command or its configuration is wrong."""
    try:
        app()
    except AutopilotError as error:
        print(f"autopilot: {error}", file=sys.stderr)
        sys.exit(EXIT_USAGE if isinstance(error, (ConfigError, UsageError)) else EXIT_FAILED)
    except OSError as error:  # such as a full disk
        print(f"autopilot: {error}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(130)  # the shell's number for SIGINT
