"""The command around onboarding: what it prints, and how it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.orders import classified, write

COLUMNS = ("--label", "returned", "--time", "at", "--key", "id")


def autopilot_init(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", "init", "mine", *words]
    environment = os.environ | {"AUTOPILOT_HOME": str(home)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_a_second_init_of_the_same_name_is_refused_in_one_line_and_the_first_stays(tmp_path):
    data, pipelines = write(classified(), tmp_path / "orders.csv"), tmp_path / "pipelines"
    words = ("--data", str(data), *COLUMNS, "--dir", str(pipelines))
    first = autopilot_init(tmp_path / "var", *words, "--json")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["folder"] == str(pipelines / "mine")
    assert (tmp_path / "var/reports/mine/pipeline.html").is_file()
    progress = ("autopilot: init ", "autopilot: profile ")  # on a machine on which this takes more than five seconds
    assert all(line.startswith(progress) for line in first.stderr.splitlines())
    second = autopilot_init(tmp_path / "var", *words)
    assert (second.returncode, second.stdout) == (2, "")
    assert second.stderr.count("\n") == 1
    assert second.stderr.startswith(f"autopilot: {pipelines / 'mine'} exists already")
