"""The unit of systemd: it names what exists, and systemd accepts it."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from cli.main import app
from tasks.config.settings import Settings

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "systemd" / "autopilot@.service"


def values(key):
    """The values of a key of the unit, in the order of the file."""
    return [line.removeprefix(f"{key}=") for line in UNIT.read_text().splitlines() if line.startswith(f"{key}=")]


def test_every_variable_of_the_unit_is_a_setting():
    named = {value.partition("=")[0] for value in values("Environment")}
    assert named <= {f"AUTOPILOT_{name.upper()}" for name in Settings.model_fields}
    assert "AUTOPILOT_HOME" in named


def test_the_command_of_the_unit_exists_with_its_options():
    [line] = values("ExecStart")
    _, name, *words = shlex.split(line)
    command = typer.main.get_command(app).commands[name]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_accepts_the_unit(tmp_path):
    copy = tmp_path / "autopilot@flights.service"
    copy.write_text(UNIT.read_text().replace("/opt/autopilot/bin/autopilot", sys.executable))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", str(copy)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "autopilot@flights" not in checked.stderr, checked.stderr
