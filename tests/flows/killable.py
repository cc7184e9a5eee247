"""Runs flows in forked processes that kill themselves at a crash point. The parent has imported the flows already.

python -m tests.flows.killable MODULE …     reads one Order per line, runs each in a fork, prints one Ended per line
"""

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tasks.runtime import crash_points


@dataclass(frozen=True)
class Order:
    """Call `function` (module:name) with `arguments` and `environment`; SIGKILL itself at `point`."""

    function: str
    arguments: Mapping[str, Any]
    environment: Mapping[str, str]
    point: str | None = None


@dataclass(frozen=True)
class Ended:
    """Whether the process was killed, which crash points it reached, and the error it raised."""

    killed: bool
    points: list[str] = field(default_factory=list)
    error: str = ""


class Killable:
    """Runs orders one after the other, in forks of a process that has imported `modules` and knows Prefect's API."""

    def __init__(self, api_url: str, *modules: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.flows.killable", *modules],
            env={**os.environ, "PREFECT_API_URL": api_url},  # read at import; without it, each run starts a server
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, order: Order) -> Ended:
        """Run and wait for the end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.communicate(timeout=30)


def main(modules: list[str]) -> None:
    for module in modules:
        importlib.import_module(module)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # keep the output of flows apart from the answers
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _run(Order(**json.loads(line)), writing)
        os.close(writing)
        with os.fdopen(reading) as report:
            lines = report.read().splitlines()
        _, status = os.waitpid(child, 0)
        passed = [line.removeprefix("point ") for line in lines if line.startswith("point ")]
        errors = [line.removeprefix("error ") for line in lines if line.startswith("error ")]
        answers.write(json.dumps(asdict(Ended(os.WIFSIGNALED(status), passed, "".join(errors)))) + "\n")
        answers.flush()


def _run(order: Order, writing: int) -> None:
    """Run the order in the fork. Does not return."""
    os.environ.update(order.environment)

    def reached(name: str, **_: object) -> None:
        os.write(writing, f"point {name}\n".encode())
        if name == order.point:
            os.kill(os.getpid(), signal.SIGKILL)

    crash_points.reached = reached
    module, _, name = order.function.partition(":")
    try:
        getattr(importlib.import_module(module), name)(**order.arguments)
    except Exception as exc:  # noqa: BLE001 - the test checks the error
        os.write(writing, f"error {type(exc).__name__}: {str(exc).splitlines()[0]}\n".encode())
    finally:
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
