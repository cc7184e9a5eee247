"""`autopilot bootstrap` of a file on which the pipeline's model is worse than a simple one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.orders import write

DAYS = 40
WORSE = """
from sklearn.dummy import DummyClassifier


def build_estimator():
    return DummyClassifier(strategy="uniform", random_state=1)
"""


def linear(rows: int = 4_000) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"x": rng.normal(size=rows), "y": rng.normal(size=rows)})
    frame.insert(0, "id", [f"r{row}" for row in range(rows)])
    frame["at"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(rows) * DAYS * 86_400 // rows, unit="s")
    frame["label"] = (rng.random(rows) < 1 / (1 + np.exp(-frame["x"]))).astype(int)
    return frame


@pytest.mark.timeout(400)  # it starts two commands and trains two models
def test_the_linear_model_serves_where_the_pipelines_own_model_is_worse(tmp_path):
    data, pipelines = write(linear(), tmp_path / "rows.csv"), tmp_path / "pipelines"
    made = autopilot(tmp_path, f"init mine --data {data} --label label --time at --key id")
    assert made.returncode == 0, made.stderr
    (pipelines / "mine" / "model.py").write_text(WORSE, encoding="utf-8")

    ended = autopilot(tmp_path, "bootstrap mine --until 2024-02-09 --json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["retrain"]["result"] == "bootstrapped"
    assert "linear_model.py in its place" in ended.stderr
    page = (tmp_path / "var/reports/mine/pipeline.html").read_text(encoding="utf-8")
    assert all(section in page for section in ("Loss per segment", "Feature importance", "<polyline", "Columns"))


def autopilot(folder: Path, words: str) -> "subprocess.CompletedProcess[str]":
    inherited = {name: value for name, value in os.environ.items() if name not in ("PREFECT_API_URL", "PREFECT_HOME")}
    own = {"AUTOPILOT_HOME": str(folder / "var"), "AUTOPILOT_PIPELINES_DIR": str(folder / "pipelines")}
    command = [sys.executable, "-m", "cli", *words.split()]
    return subprocess.run(command, env=inherited | own, capture_output=True, text=True, check=False)
