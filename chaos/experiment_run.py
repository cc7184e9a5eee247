"""Runs one experiment with Chaos Toolkit in a process of its own, and stops it when it has to end early."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from chaos.drill_lock import stop_file
from chaos.error_budget import REQUESTS_MAX, ErrorBudget
from chaos.experiment_files import EXPERIMENT_FILE, Experiment
from chaos.lab import Lab
from chaos.source_files import PIPELINES_VARIABLE
from chaos.spec import DrillSpec
from chaos.staging.credentials import target_environment
from chaos.verdict import Exit, Judgement

__all__ = ["JOURNAL_FILE", "run_experiment"]

JOURNAL_FILE = "journal.json"
STOP_POLL_SECONDS = 0.2
PATIENCE_SECONDS = 45.0  # for rollbacks, after a drill was asked to stop
_PACKAGE_PARENT = Path(__file__).resolve().parent.parent


def run_experiment(experiment: Experiment, lab: Lab, home: Path, variables: Mapping[str, float]) -> Judgement | None:
    """Run the experiment to its end; a judgement when it had to be stopped.

    It has a session of its own: Ctrl-C reaches only this process, which then asks the experiment to undo its faults.
    """
    file = lab.directory / EXPERIMENT_FILE
    file.write_text(experiment.text, encoding="utf-8")
    command = [
        *(sys.executable, "-m", "chaostoolkit", "--no-version-check"),
        *("--settings", str(lab.directory / "no-settings.yaml")),  # not the user's own settings
        *("--log-file", str(lab.directory / "chaos.log")),
        *("run", "--journal-path", str(lab.directory / JOURNAL_FILE)),
        *("--var", f"home={home}", "--var", f"pipeline={lab.pipeline}", "--var", f"drill_dir={lab.directory}"),
        *(word for name, value in variables.items() for word in ("--var", f"{name}:float={value}")),
        str(file),
    ]
    path = os.pathsep.join([str(_PACKAGE_PARENT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with (lab.directory / "console.log").open("wb") as console:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            cwd=lab.directory,
            env={**os.environ, **target_environment(), "PYTHONPATH": path, PIPELINES_VARIABLE: str(lab.pipelines_dir)},
            start_new_session=True,
        )
    try:
        stopped = _wait(process, experiment.spec.deadline_seconds, stop_file(home), _budget(experiment.spec, lab))
        if stopped:
            _stop(process)
            return Judgement(Exit.ABORTED, f"{stopped}; the faults were undone")
    except subprocess.TimeoutExpired:
        _stop(process)
        seconds = experiment.spec.deadline_seconds
        return Judgement(Exit.HARNESS_FAILED, f"the experiment took longer than its {seconds:.0f} s and was stopped")
    except KeyboardInterrupt:
        _stop(process)
        return Judgement(Exit.ABORTED, "interrupted; the faults were undone")
    if process.returncode < 0:
        return Judgement(Exit.ABORTED, f"the experiment was killed by {signal.Signals(-process.returncode).name}")
    return None


def _budget(spec: DrillSpec, lab: Lab) -> ErrorBudget:
    """How many requests may fail before the drill is aborted: the target's number, else a default."""
    further = REQUESTS_MAX if lab.target is None else lab.target.error_budget_requests
    return ErrorBudget(lab.directory, spec.limits.failed_max + further)


def _wait(process: subprocess.Popen[bytes], seconds_max: float, stop: Path, budget: ErrorBudget) -> str:
    """Wait for the process to end by itself; otherwise return why it has to be stopped. TimeoutExpired in the end."""
    deadline = time.monotonic() + seconds_max
    while not stop.exists():
        if budget.is_spent():
            return f"the error budget is spent: {budget.failed} requests failed, at most {budget.requests_max} may"
        try:
            process.wait(timeout=STOP_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if time.monotonic() >= deadline:
                raise
        else:
            return ""
    return "stopped by `autopilot drill stop`"


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the experiment to undo its faults and end; kill it when it does not end."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
