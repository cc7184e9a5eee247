"""Drills on a pipeline that `autopilot init` made from one CSV file, against the whole stack."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest
from sklearn.datasets import load_diabetes

from chaos.verdict import Exit
from tests.e2e.running_stack import ROOT, RunningStack, autopilot

pytestmark = [pytest.mark.drill, pytest.mark.timeout(900)]
SECONDS_MAX = 400.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A stack that serves the pipeline `diabetes`, with two days left in the file; its environment beside it."""
    folder = tmp_path_factory.mktemp("own")
    environment = {**os.environ, "AUTOPILOT_PIPELINES_DIR": str(folder / "pipelines")}
    rows = load_diabetes(as_frame=True, scaled=False).frame
    rows.insert(0, "patient", [f"P{number:03}" for number in range(len(rows))])
    rows.insert(1, "seen_at", pd.date_range("2024-01-01 09:00", periods=len(rows), freq="288min"))
    rows.to_csv(folder / "diabetes.csv", index=False)
    columns = ("--label", "target", "--time", "seen_at", "--key", "patient")
    made = [sys.executable, "-m", "cli", "init", "diabetes", "--data", str(folder / "diabetes.csv"), *columns]
    subprocess.run(made, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=SECONDS_MAX)
    running = RunningStack.start(folder / "home", environment).await_ready()
    words = ("bootstrap", "diabetes", "--until", "2024-03-27")
    done = autopilot(*words, home=running.home, seconds_max=SECONDS_MAX, environment=environment)
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
    yield running, environment
    running.end()


def drill(name, stack):
    running, environment = stack
    words = ("drill", "run", name, "--pipeline", "diabetes", "--json")
    done = autopilot(*words, home=running.home, seconds_max=SECONDS_MAX, environment=environment)
    return json.loads(done.stdout) if done.stdout else {"exit": done.returncode, "reason": done.stderr}


def test_without_a_fault_there_is_no_incident(stack):
    outcome = drill("noop", stack)
    assert outcome["exit"] == Exit.RECOVERED, outcome["reason"]


def test_a_data_file_that_was_away_is_ingested_once_it_is_back(stack):
    outcome = drill("source-file-away", stack)
    assert outcome["exit"] == Exit.RECOVERED, outcome["reason"]
    assert outcome["causes"] == ["source_unavailable"]


def test_a_drill_of_the_bundled_source_says_what_the_pipeline_lacks(stack):
    outcome = drill("source-outage", stack)
    assert outcome["exit"] == Exit.USAGE
    assert "feed:" in outcome["reason"]
