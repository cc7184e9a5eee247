import subprocess
import sys

import pytest


@pytest.mark.parametrize(("collecting", "outcome"), [("thread", "acquired"), ("automatic", "locked")])
def test_only_a_collector_in_its_own_thread_leaves_the_lock_holder_running(collecting, outcome, tmp_path):
    command = [sys.executable, "-m", "tests.cli.stack.frozen_collector", str(tmp_path / "a.db"), collecting]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == (outcome, "")


def test_it_runs_the_commands_of_prefect():
    command = [sys.executable, "-m", "cli.stack.prefect_server", "server", "start", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "--port" in done.stdout
