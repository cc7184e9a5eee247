"""A signal to the process group, as Ctrl-C, `timeout` and systemd send it, ends a command that ingests."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from cli.main import app
from tasks.lake.lake_table import LakeTable

END_SECONDS_MAX = 30.0  # about 1 s on a quiet machine; it was over 100 s
START_SECONDS_MAX = 240.0
DAYS = 60
TABLES = ("rows", "outcomes", "features")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A pipeline for a file with 60 days, and the environment in which the command finds it."""
    rows = [
        f"r{day}-{n},2020-{day // 28 + 1:02d}-{day % 28 + 1:02d}T{n % 24:02d}:00:00,{n % 7},{n % 2}"
        for day in range(DAYS)
        for n in range(20)
    ]
    data = tmp_path / "rows.csv"
    data.write_text("id,at,x,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    words = f"init rows --data {data} --label label --time at --key id --dir {tmp_path / 'pipelines'}".split()
    assert CliRunner().invoke(app, words).exit_code == 0
    inherited = {name: value for name, value in os.environ.items() if name not in ("PREFECT_API_URL", "PREFECT_HOME")}
    home = tmp_path / "var"
    return inherited | {"AUTOPILOT_HOME": str(home), "AUTOPILOT_PIPELINES_DIR": str(tmp_path / "pipelines")}


def test_an_interrupted_ingest_ends_at_once_and_the_next_one_continues(environment, tmp_path):
    process = start_ingest(environment)
    first_commit = tmp_path / "var" / "lake" / "rows" / "rows" / "_delta_log" / "00000000000000000000.json"
    wait_until(lambda: first_commit.exists() or process.poll() is not None, START_SECONDS_MAX)
    asked = time.monotonic()
    os.killpg(process.pid, signal.SIGTERM)

    _, errors = process.communicate(timeout=START_SECONDS_MAX)
    assert (process.returncode, time.monotonic() - asked < END_SECONDS_MAX) == (128 + signal.SIGTERM, True), errors
    assert "run the same command again" in errors
    wait_until(lambda: not processes_of(environment), END_SECONDS_MAX)

    again = start_ingest(environment)
    _, errors = again.communicate(timeout=START_SECONDS_MAX)
    assert again.returncode == 0, errors
    lake = first_commit.parents[2]
    assert {name: LakeTable(lake, name, ["id"]).count() for name in TABLES} == dict.fromkeys(TABLES, DAYS * 20)
    wait_until(lambda: not processes_of(environment), END_SECONDS_MAX)


def start_ingest(environment: dict[str, str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "cli", "ingest", "rows", "--json"]
    output = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=output, stderr=output, text=True, start_new_session=True)


def processes_of(environment: dict[str, str]) -> list[psutil.Process]:
    """The living processes that the command started, and the command itself."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("AUTOPILOT_HOME") == environment["AUTOPILOT_HOME"]:
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_until(condition, seconds_max: float) -> None:
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.05)
