"""The command starts without heavy imports, refuses in one clear line, and then writes nothing to disk."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cli.stack.ports import LOOPBACK

ROOT = Path(__file__).parents[2]
HEAVY = ("prefect", "mlflow", "evidently", "great_expectations", "sklearn", "pandas", "matplotlib", "httpx")
REPORTING = (
    "status",
    "doctor",
    "ingest",
    "monitor",
    "retrain",
    "release",
    "rollback",
    "heal",
    "history",
    "maintain",
    "bootstrap",
)


def autopilot(*words):
    command = [sys.executable, "-m", "cli", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def refused(*words, code):
    """The one line with which the command refuses."""
    done = autopilot(*words)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    [line] = done.stderr.splitlines()
    return line


def test_help_names_every_command_without_heavy_imports():
    script = f"import sys, cli.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
    text = autopilot("--help").stdout
    for command in ("demo", "up", "example", "drill", "lab", *REPORTING):
        assert f" {command} " in text


@pytest.mark.parametrize("command", REPORTING)
def test_reporting_commands_offer_json(command):
    words = {"release": ("release", "start")}.get(command, (command,))
    assert "--json" in autopilot(*words, "--help").stdout


@pytest.mark.parametrize(
    "words", [("up", "--pipeline", "nope"), ("heal", "nope"), ("status", "nope"), ("example", "nope")]
)
def test_unknown_pipeline_is_refused_with_those_there_are(tmp_path, words):
    line = refused(*words, "--home", str(tmp_path / "home"), code=2)
    assert line == "autopilot: unknown pipeline 'nope'; known: flights"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ("up",),
        ("heal",),
        ("init", "new", "--data", "rows.csv", "--label", "y", "--time", "at", "--key", "id"),
    ],
)
def test_a_faulty_policy_is_refused_with_all_its_faults_before_anything_is_written(tmp_path, monkeypatch, words):
    pipelines = tmp_path / "pipelines"
    shutil.copytree(ROOT / "pipelines/flights", pipelines / "flights", ignore=shutil.ignore_patterns("__pycache__"))
    (pipelines / "policy.yaml").write_text("limits: {attempts_max: 0}\ncauses: {model_slow: [retry]}\n")
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(pipelines))
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path / "home"))
    before = sorted(tmp_path.rglob("*"))
    done = autopilot(*words)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    first, second = done.stderr.splitlines()
    assert first.startswith(f"autopilot: {pipelines / 'policy.yaml'}: limits.attempts_max: expected")
    assert second.startswith(f"{pipelines / 'policy.yaml'}: causes.model_slow: expected")
    assert sorted(tmp_path.rglob("*")) == before


def test_taken_port_is_refused_before_anything_is_written(tmp_path):
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        port = listener.getsockname()[1]
        line = refused("up", "--gateway-port", str(port), "--home", str(tmp_path / "home"), code=2)
    assert line.startswith(f"autopilot: port {port} for gateway is taken")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("up",), ("ingest", "flights"), ("demo",)])
def test_a_home_below_a_file_is_refused(tmp_path, words):
    (tmp_path / "file").write_text("")
    line = refused(*words, "--home", str(tmp_path / "file" / "home"), code=2)
    assert "found a file" in line
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_history_and_status_of_an_empty_home_leave_it_alone(tmp_path):
    home = tmp_path / "home"
    assert autopilot("history", "flights", "--home", str(home)).returncode == 0
    assert autopilot("status", "--home", str(home), "--json").returncode == 0
    assert not home.exists()


def test_usage_error_exits_2():
    assert autopilot("bootstrap", "flights").returncode == 2
    assert autopilot("no-such-command").returncode == 2
