"""The walk through one's own data says what happens."""

import re
import shlex

import pytest
import typer

from benchmarks.result import PROJECT
from cli.init import init
from cli.main import app

PAGE = (PROJECT / "docs/own-data.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]


def test_init_prints_what_the_page_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("AUTOPILOT_PIPELINES_DIR", "AUTOPILOT_HOME"):
        monkeypatch.delenv(name, raising=False)
    exec(next(block for kind, block in BLOCKS if kind == "python"), {})
    words = dict(zip(*[iter(shlex.split(COMMANDS[0])[3:])] * 2, strict=True))
    init(
        "diabetes",
        **{option.removeprefix("--"): value for option, value in words.items()} | {"data": tmp_path / words["--data"]},
    )
    printed = capsys.readouterr().out.replace(f"{tmp_path}/", "")
    assert printed == next(block for kind, block in BLOCKS if kind == "text")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_exists_with_its_options(command):
    program, name, *words = shlex.split(command.partition("|")[0])
    known = typer.main.get_command(app).commands
    assert program == "autopilot"
    options = {option for parameter in known[name].params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options
