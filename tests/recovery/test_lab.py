"""`autopilot lab up` for a pipeline of `autopilot init`: load, oracle, a drill by its target file, and the end."""

import json
import os
import signal
import subprocess
import sys

import pytest
from sklearn.datasets import load_diabetes

from chaos.verdict import Exit
from cli.stack.home import read_processes
from cli.stack.orphans import marked_processes
from tests.chaos.waiting import wait_for
from tests.e2e.running_stack import ROOT

pytestmark = [pytest.mark.drill, pytest.mark.timeout(900)]
PIPELINE = "diabetes"
READY_SECONDS = 400.0
GOOD_MIN = 50


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def command(folder):
    """Runs a command of `autopilot` with the pipeline's directory; its exit code, output and errors."""
    environment = {**os.environ, "AUTOPILOT_PIPELINES_DIR": str(folder / "pipelines"), "PYTHONPATH": str(ROOT)}

    def run(*words, start=False):
        line = [sys.executable, "-m", "cli", *words]
        if start:
            with (folder / "lab.log").open("wb") as log:
                return subprocess.Popen(line, cwd=folder, env=environment, stdout=log, stderr=log)
        done = subprocess.run(
            line, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture(scope="module")
def lab(folder, command):
    """A lab with a first model."""
    import pandas as pd

    rows = load_diabetes(as_frame=True, scaled=False).frame
    rows.insert(0, "patient", [f"P{number:03}" for number in range(len(rows))])
    rows.insert(1, "seen_at", pd.date_range("2024-01-01 09:00", periods=len(rows), freq="288min"))
    rows.to_csv(folder / "diabetes.csv", index=False)
    columns = ("--label", "target", "--time", "seen_at", "--key", "patient")
    code, output, errors = command("init", PIPELINE, "--data", "diabetes.csv", *columns)
    assert code == 0, output + errors
    process = command("lab", "up", PIPELINE, "--home", "home", "--ready-file", "ready", start=True)
    try:
        wait_for(lambda: (folder / "ready").exists() or process.poll() is not None, "the lab is ready", READY_SECONDS)
        assert process.poll() is None, (folder / "lab.log").read_text()
        code, output, errors = command("bootstrap", PIPELINE, "--until", "2024-03-20", "--home", "home")
        assert code == 0, output + errors
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def counts(command):
    _, output, _ = command("lab", "status", "--home", "home", "--json")
    return json.loads(output)["requests"]


def test_the_oracle_finds_every_answer_right_and_a_drill_runs_by_the_target_file(lab, folder, command):
    wait_for(lambda: counts(command)["good"] >= GOOD_MIN, "answers are verified", READY_SECONDS)
    words = ("drill", "run", "slow-link-healer-gateway", "--target", "home/lab/target.yaml", "--home", "records")
    code, output, errors = command(*words, "--json")
    assert code == Exit.RECOVERED, output + errors
    assert json.loads(output)["target"] == "lab"
    found = counts(command)
    assert found["wrong"] == found["unverified"] == 0
    assert command("lab", "status", "--home", "home")[0] == 0
    mark = read_processes(folder / "home").mark
    lab.send_signal(signal.SIGTERM)
    assert lab.wait(120) == 0
    wait_for(lambda: not marked_processes(mark), "no process of the lab is left")
