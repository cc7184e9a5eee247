"""`autopilot demo`: play a year of flights against a real stack, and check the result."""

import os
import signal
from typing import Annotated

import typer

from cli.options import HomeOption, settings_of


def demo(
    home: HomeOption = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running at the end, until Ctrl-C.")] = False,
) -> None:
    """Play a year of flights with faults against a real stack; exit 1 when an expected outcome is missing."""
    from cli.demo.run import run_demo
    from cli.stack.services import PROJECT_DIR

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C: every process is ended
    os.environ["AUTOPILOT_PIPELINES_DIR"] = str(PROJECT_DIR / "pipelines")  # its pipeline is the bundled one
    report = run_demo(settings_of(home), keep=keep)
    raise typer.Exit(1 if report.missing else 0)
