"""The demo with one more fault: the worker is killed while it retrains."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from cli.demo.report import Report
from cli.stack.home import read_processes
from cli.stack.orphans import marked_processes
from healing.incident import Cause
from healing.release import Reason
from tasks.ledger.store import Ledger
from tasks.runtime.orphaned_runs import RUN_ID_VARIABLE
from tests.e2e.running_stack import ROOT, audited, wait

SECONDS_MAX = 1500  # four minutes on two idle cores


@pytest.mark.drill
@pytest.mark.timeout(SECONDS_MAX + 60)
def test_killing_worker_and_run_during_the_retrain_still_ends_with_the_promotion(tmp_path):
    command = [sys.executable, "-m", "cli", "demo", "--home", str(tmp_path)]
    names = tmp_path / "names"  # outside this machine, that some process looked up
    with subprocess.Popen(
        command, cwd=ROOT, env=audited(names), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        lines = []
        for line in demo.stdout:
            lines.append(line)
            if "remedy retrain for quality_drop" in line and not any("killed" in earlier for earlier in lines):
                lines.append(f"killed {_kill_worker_and_run(tmp_path / 'demo' / 'state')}")
        code = demo.wait(timeout=SECONDS_MAX)
    output = "".join(lines)
    assert "killed" in output, output
    assert code == 0, output
    assert not names.exists(), names.read_text()
    report = Report.model_validate_json((tmp_path / "demo" / "report.json").read_bytes())
    assert Reason.PROMOTE in [release.reason for release in report.releases]


def _kill_worker_and_run(state: Path) -> list[int]:
    """SIGKILL the worker, then the retrain that it carries; the numbers of both."""
    processes = read_processes(state)
    [worker] = [psutil.Process(service.pid) for service in processes.services if service.name == "worker"]
    with Ledger(f"sqlite:///{state / 'ledger.db'}") as ledger:

        def retraining():
            incidents = [each for each in ledger.incidents("flights") if each.cause is Cause.QUALITY_DROP]
            run_ids = {attempt.flow_run_id for each in incidents for attempt in each.attempts} - {None}
            return [process for process in marked_processes(processes.mark) if _run_of(process) in run_ids]

        assert wait(lambda: len(retraining()) > 0, 120.0)
        doomed = [worker, *retraining()]
    for process in doomed:
        process.kill()
    return [process.pid for process in doomed]


def _run_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(RUN_ID_VARIABLE)
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return None
