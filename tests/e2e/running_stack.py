"""An `autopilot up` of one home, as a person would start and stop it."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from cli.stack.home import Processes, read_processes
from cli.stack.orphans import marked_processes
from cli.stack.process_tree import wait_until
from tasks.runtime.telemetry import OPT_OUTS

ROOT = Path(__file__).parents[2]
READY_SECONDS_MAX = 150.0
END_SECONDS_MAX = 40.0


def audited(names_file):
    """An environment without any opt-out, in which each Python process records names outside this machine.

    CI variables are removed too: Prefect reports nothing where it takes the machine for a CI server.
    """
    removed = {*OPT_OUTS, "CI", "GITHUB_ACTIONS"}
    kept = {name: value for name, value in os.environ.items() if name not in removed}
    path = os.pathsep.join([str(Path(__file__).parent / "audit"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**kept, "PYTHONPATH": path, "AUTOPILOT_TEST_NAMES_FILE": str(names_file)}


def installed(folder, environment):
    """The environment of a machine that has the built wheel in `folder`, and no checkout."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    [wheel] = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder)
    path = os.pathsep.join([str(folder), *filter(None, [environment.get("PYTHONPATH")])])
    return {**environment, "PYTHONPATH": path, "AUTOPILOT_PIPELINES_DIR": str(folder / "pipelines")}


def in_terminal(command, environment, seconds_max):
    """Run a command in a terminal of its own; its exit code and what it printed."""
    terminal, inside = pty.openpty()
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=inside, stdout=inside, stderr=inside) as process:
        os.close(inside)
        chunks = []
        with contextlib.suppress(OSError):  # the other end of a terminal was closed: the command has ended
            while chunk := os.read(terminal, 65536):
                chunks.append(chunk)
        code = process.wait(timeout=seconds_max)
    os.close(terminal)
    return code, b"".join(chunks).decode(errors="replace")


def wait(condition, seconds_max):
    """Whether the condition came true; a test asserts it, so that a failure names the condition."""
    return wait_until(condition, seconds_max)


def autopilot(*words, home, seconds_max=180.0, environment=None):
    """Run one command to its end."""
    command = [sys.executable, "-m", "cli", *words, "--home", str(home)]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds_max, check=False
    )


@dataclass
class RunningStack:
    home: Path
    process: subprocess.Popen
    ready_file: Path

    @classmethod
    def start(cls, home, environment=None, directory=ROOT):
        """Start it in the `directory`; `await_ready` waits for it."""
        ready_file = home.parent / f"{home.name}.ready"
        ready_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "cli", "up", "--home", str(home), "--ready-file", str(ready_file)]
        log = home.parent / f"{home.name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(command, cwd=directory, stdout=output, stderr=output, env=environment)
        return cls(home, process, ready_file)

    def await_ready(self):
        wait(lambda: self.ready_file.exists() or self.process.poll() is not None, READY_SECONDS_MAX)
        assert self.ready_file.exists(), (self.home.parent / f"{self.home.name}.log").read_text()
        return self

    @property
    def addresses(self):
        return json.loads((self.home / "addresses.json").read_text())

    def recorded(self) -> Processes:
        return read_processes(self.home)

    def living(self):
        """Every process that this stack started and that still lives, whoever its parent is now."""
        mark = self.recorded().mark
        return marked_processes(mark) if mark else []

    def interrupt(self):
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=END_SECONDS_MAX)

    def end(self):
        """For teardown: whatever a failed test left."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=END_SECONDS_MAX)
