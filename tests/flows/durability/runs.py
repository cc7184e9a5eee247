"""Ingest runs in separate processes, forked from one that has imported everything: about a second each.

python -m tests.flows.durability.runs      reads one Order per line, forks, answers with one Ended per line
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.flows.durability.world import SINCE, UNTIL

OVERTAKE_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Order:
    """What to run and how it is disturbed: it dies at a `point` or an `event` (k), or its disk is full from there (f).

    `writers` run at once; without `locked`, only the lake itself separates them. With `overtaken`, the second of two
    writers commits and records the first table while the first one has read the ledger and not yet the lake.
    """

    home: str
    pipelines: str
    point: str | None = None
    mode: str = "c"
    event: int = 0
    writers: int = 1
    locked: bool = True
    again: bool = False
    overtaken: bool = False


@dataclass(frozen=True)
class Ended:
    """How one run ended: by a signal or not, the error's type and message, the events and points that it reached."""

    killed: bool
    error: str = ""
    message: str = ""
    events: int = 0
    points: tuple[str, ...] = ()


class Runs:
    """Starts runs. `shim` is the compiled file_events.c."""

    def __init__(self, shim: Path, api_url: str) -> None:
        environment = {**os.environ, "LD_PRELOAD": str(shim), "FILE_EVENTS": str(shim), "PREFECT_API_URL": api_url}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.flows.durability.runs"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, order: Order) -> list[Ended]:
        """Run and wait; returns one Ended per writer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        return [Ended(**each) for each in json.loads(self._process.stdout.readline())]

    def close(self) -> None:
        self._process.communicate(timeout=30)


def main() -> None:
    import deltalake  # noqa: F401 - imported here once, not in each run
    import pandas as pd  # noqa: F401
    import prefect  # noqa: F401

    import flows.ingest  # noqa: F401

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a run prints must not look like an answer
    for line in sys.stdin:
        order = Order(**json.loads(line))
        started = [_start(order, number) for number in range(order.writers)]
        answers.write(json.dumps([_end(pid, report) for pid, report in started]) + "\n")
        answers.flush()


def _start(order: Order, number: int) -> tuple[int, Path]:
    report = Path(f"{order.home}.{number}.json")
    report.unlink(missing_ok=True)
    pid = os.fork()
    if pid == 0:
        try:
            _ingest(order, number, report)
        finally:
            os._exit(0)
    return pid, report


def _end(pid: int, report: Path) -> dict[str, object]:
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return asdict(Ended(killed=True, message=signal.Signals(os.WTERMSIG(status)).name))
    return json.loads(report.read_text())


def _ingest(order: Order, number: int, report: Path) -> None:
    import flows.ingest
    import tasks.ingestion.stores
    from tasks.runtime import crash_points as points

    os.environ.update(AUTOPILOT_HOME=order.home, AUTOPILOT_PIPELINES_DIR=order.pipelines)
    passed: list[str] = []

    def reached(name: str, **_: object) -> None:
        if order.overtaken and name not in passed:
            _overtake(Path(order.home), number, name)
        passed.append(name)
        if name == order.point:
            os.kill(os.getpid(), signal.SIGKILL)

    points.reached = reached
    if not order.locked:
        tasks.ingestion.stores.write_lock = lambda *_: contextlib.nullcontext()
    shim = ctypes.CDLL(os.environ["FILE_EVENTS"])
    shim.file_events_arm(order.home.encode(), ctypes.c_char(order.mode.encode()), ctypes.c_long(order.event))
    error = ("", "")
    try:
        flows.ingest.ingest("small", since=SINCE, until=UNTIL, again=order.again)
    except Exception as exc:  # noqa: BLE001 - the test judges what it is
        error = (type(exc).__name__, str(exc))
    events = shim.file_events_seen()
    shim.file_events_arm(b"", ctypes.c_char(b"\0"), ctypes.c_long(0))
    report.write_text(json.dumps(asdict(Ended(False, *error, events, tuple(sorted(set(passed)))))))


def _overtake(home: Path, number: int, point: str) -> None:
    """Have the second writer pass the first one, which stands between its reads of the ledger and of the lake."""
    paused, recorded = home.with_suffix(".paused"), home.with_suffix(".recorded")
    match number, point:
        case 0, "ingest.quarantined":
            paused.touch()
            _wait_for(recorded)
        case 1, "ingest.fetched":
            _wait_for(paused)
        case 1, "ingest.recorded":
            recorded.touch()


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + OVERTAKE_SECONDS_MAX
    while not file.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{file.name} did not appear")
        time.sleep(0.01)


if __name__ == "__main__":
    main()
