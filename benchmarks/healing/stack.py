"""A stack of one revision, driven from outside: its command line, its HTTP addresses, its ledger and its processes."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.serving.processes import Running, running

PIPELINE = "flights"
READY_SECONDS_MAX = 300.0
POLL_SECONDS = 0.02
_NEXT_MODEL = Path(__file__).parent / "next_model.py"


class TooLate(RuntimeError):
    """A condition did not come true in time."""


@dataclass(frozen=True)
class StackUnderTest:
    """One `autopilot up` of the code in `tree`, with its state in `home`."""

    tree: Path
    home: Path
    process: Running

    @property
    def addresses(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.home / "addresses.json").read_bytes())
        return found

    def command(self, *words: str) -> None:
        """Run one `autopilot` command to its end; CalledProcessError if it fails."""
        self._python("-m", "cli", *words, "--home", str(self.home))

    def next_model(self) -> str:
        """Make a copy of the champion, with another digest, the champion; wait until it serves beside a fallback."""
        digest = self._python(str(_NEXT_MODEL), PIPELINE)
        until(lambda: self.is_ready(digest), 60, f"{digest[:12]} serves")
        return digest

    def is_ready(self, digest: str) -> bool:
        """Whether `digest` is the champion, and it and at least one fallback have a worker that is ready."""
        state = self.release_state()
        if state is None or state["release"] is None or state["release"]["champion"]["digest"] != digest:
            return False
        ready = {worker["digest"] for worker in state["workers"] if worker["state"] == "ready"}
        return digest in ready and len(ready) > 1

    def release_state(self) -> dict[str, Any] | None:
        """What the gateway says about its release; None while it does not answer."""
        try:
            answer = httpx.get(f"{self.addresses['operate']}/release", timeout=2.0, trust_env=False)
            state: dict[str, Any] = answer.raise_for_status().json()
        except (httpx.HTTPError, OSError):
            return None
        return state

    def champion(self) -> str:
        """Digest of the champion that serves; empty while the gateway does not answer."""
        state = self.release_state()
        return "" if state is None or state["release"] is None else str(state["release"]["champion"]["digest"])

    def service(self, name: str) -> psutil.Process:
        """The process of a service of `up`; LookupError if there is none."""
        recorded = json.loads((self.home / "processes.json").read_bytes())["services"]
        found = [each["pid"] for each in recorded if each["name"] == name]
        if not found:
            raise LookupError(f"expected a service {name!r}, found {[each['name'] for each in recorded]}")
        return psutil.Process(found[0])

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows that a query of the ledger finds; empty while its table does not exist."""
        with closing(sqlite3.connect(self.home / "ledger.db", timeout=5.0)) as ledger:
            try:
                return ledger.execute(query, values).fetchall()
            except sqlite3.OperationalError:
                return []

    def processor_seconds(self) -> float:
        """Processor time of all processes of the stack so far."""
        return self.process.cpu_seconds()

    def _python(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.tree,
            env=_environment(self.tree, self.home),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"expected {' '.join(words[:4])} to end with 0, found {done.returncode}: {done.stderr}")
        return done.stdout.strip()


@contextmanager
def stack(tree: Path, home: Path) -> Iterator[StackUnderTest]:
    """A stack that is ready and serves a first model, for as long as the block lasts."""
    ready = home.parent / f"{home.name}.ready"
    ready.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "cli",
        "up",
        "--pipeline",
        PIPELINE,
        "--home",
        str(home),
        "--ready-file",
        str(ready),
    ]
    with running(command, home.parent / f"{home.name}.log", _environment(tree, home), tree) as process:
        tested = StackUnderTest(tree, home, process)
        until(ready.exists, READY_SECONDS_MAX, "the stack is ready")
        tested.command("bootstrap", PIPELINE, "--until", "2013-01-21")
        yield tested


@contextmanager
def stopped(processes: Sequence[psutil.Process]) -> Iterator[None]:
    """SIGSTOP to the processes and everything that they started, SIGCONT at the end."""
    trees = [each for process in processes for each in (process, *process.children(recursive=True))]
    try:
        _signal(trees, signal.SIGSTOP)
        yield
    finally:
        _signal(trees, signal.SIGCONT)


def until(condition: Callable[[], object], seconds_max: float, what: str) -> float:
    """Seconds until the condition came true; TooLate names it."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds_max:
            raise TooLate(f"not within {seconds_max:.0f} s: {what}")
        time.sleep(POLL_SECONDS)
    return time.monotonic() - began


def _signal(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _environment(tree: Path, home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(tree),
        "AUTOPILOT_HOME": str(home),
        "AUTOPILOT_PIPELINES_DIR": str(tree / "pipelines"),
    }
