"""A command's pipeline may be left out where there is one: the running stack's, or the only one in the folder."""

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli.main import app
from cli.options import PipelineCommand
from cli.stack.home import ADDRESSES_FILE, Processes, locked, write_processes
from healing.errors import UsageError

FLIGHTS = Path(__file__).parents[2] / "pipelines" / "flights"


@pytest.fixture
def pipelines(tmp_path, monkeypatch):
    """A pipelines directory of this test's own, with flights in it."""
    directory = tmp_path / "pipelines"
    directory.mkdir()
    shutil.copytree(FLIGHTS, directory / "flights", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(directory))
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path / "home"))
    return directory


def run(*words):
    return CliRunner().invoke(app, list(words))


def add(pipelines, name):
    folder = pipelines / name
    shutil.copytree(pipelines / "flights", folder)
    text = (folder / "pipeline.yaml").read_text().replace("name: flights", f"name: {name}", 1)
    (folder / "pipeline.yaml").write_text(text)


@pytest.mark.parametrize("words", [("status",), ("history",), ("quarantine", "list")])
def test_the_only_pipeline_is_the_default(pipelines, words):
    shown = run(*words)
    assert shown.exit_code == 0, shown.output
    assert shown.output == run(*words, "flights").output


def test_help_shows_the_pipeline_as_optional(pipelines):
    shown = run("status", "--help").output
    assert "[pipeline]" in shown
    assert "required" not in shown
    assert run("status").exit_code == 0  # the help changed nothing


@pytest.mark.parametrize(
    "words", [("status",), ("history",), ("ingest",), ("example",), ("drill", "run", "noop"), ("up",)]
)
def test_several_pipelines_are_a_usage_error_that_lists_them(pipelines, words):
    add(pipelines, "orders")
    error = run(*words).exception
    assert isinstance(error, UsageError)
    assert "flights, orders" in str(error)


def test_no_pipeline_is_a_usage_error_that_says_how_to_make_one(pipelines):
    shutil.rmtree(pipelines / "flights")
    error = run("status").exception
    assert isinstance(error, UsageError)
    assert "autopilot init" in str(error)


def test_the_pipeline_of_the_running_stack_is_the_default(pipelines, tmp_path):
    add(pipelines, "orders")
    home = tmp_path / "home"
    with locked(home):
        write_processes(home, Processes(mark="m", pipeline="orders"))
        (home / ADDRESSES_FILE).write_text(json.dumps({"operate": "http://127.0.0.1:9"}))
        assert "pipeline 'orders' has no release yet" in str(run("release", "status").exception)
    assert "found several" in str(run("release", "status").exception)


def test_an_option_may_stand_before_the_argument_that_is_left_out(pipelines, tmp_path):
    add(pipelines, "orders")
    home = tmp_path / "other"
    with locked(home):
        write_processes(home, Processes(mark="m", pipeline="orders"))
        (home / ADDRESSES_FILE).write_text(json.dumps({}))
        shown = run("history", "--home", str(home), "--json")
    assert shown.exit_code == 0, shown.output


def test_a_second_argument_is_not_taken_for_the_pipeline(pipelines):
    two = typer.Typer()

    @two.command(cls=PipelineCommand)
    def show(pipeline: str, batch: str, limit: int = 1) -> None:
        typer.echo(f"{pipeline} {batch} {limit}")

    assert CliRunner().invoke(two, ["b", "--limit", "2"]).output == "flights b 2\n"
    assert CliRunner().invoke(two, ["orders", "b"]).output == "orders b 1\n"
    assert CliRunner().invoke(two, []).exit_code == 2
    assert CliRunner().invoke(two, ["a", "b", "c"]).exit_code == 2
