"""Sending load at a target, and reading what came of it."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.serving.targets import Target
from healing.errors import Transient

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CLIENT = Path(__file__).with_name("client.py")
_SAMPLES = 256
_ROWS_OF_ANSWERS_TOLERANCE = 1e-6  # JSON keeps more; a wrong model is off by far more
_LATE_SECONDS = 60.0  # past its own end, before a client counts as stuck


class ClientFailed(Transient):
    """The client process ended without a record: what it would have measured is unknown."""


@dataclass(frozen=True, slots=True)
class Load:
    """`clients` connections for `seconds`; with `rate` (requests a second) the load is open-loop."""

    clients: int
    seconds: float
    warmup_seconds: float = 1.0  # answered, and left out of every figure
    rows_a_request: int = 1
    rate: float | None = None
    silent_seconds: float = 10.0
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answers:
    """Every request of a load after its warm-up, in the order in which they ended. Times in seconds, monotonic."""

    due: "NDArray[np.float64]"
    ended: "NDArray[np.float64]"
    status: "NDArray[np.int16]"
    marks: "NDArray[np.uint8]"
    row: "NDArray[np.uint32]"
    seconds: float
    rows_a_request: int
    samples: list[tuple[int, int, str]]

    @property
    def good(self) -> "NDArray[np.bool_]":
        good: NDArray[np.bool_] = self.status == 200
        return good

    @property
    def failed(self) -> int:
        return int((~self.good).sum())

    @property
    def requests_per_second(self) -> float:
        return float(self.good.sum()) / self.seconds

    def latency_ms(self, quantile: float) -> float:
        """Of the requests that were answered with 200; NaN when none was."""
        import numpy as np

        took = (self.ended - self.due)[self.good]
        return float(np.quantile(took, quantile) * 1000) if took.size else float("nan")

    def marked(self, mark: int) -> "NDArray[np.bool_]":
        marked: NDArray[np.bool_] = (self.marks & (1 << mark)) != 0
        return marked

    def check(self, target: Target, expected: "NDArray[np.float64]") -> float:
        """Share of the sampled answers that are what the model itself says of those rows, `expected` in rows' order."""
        import numpy as np

        right = 0
        for request, _, body in self.samples:
            first = request * self.rows_a_request
            wanted = expected[first : first + self.rows_a_request]
            found = np.asarray(target.protocol.values(body))
            right += found.shape == wanted.shape and np.allclose(found, wanted, atol=_ROWS_OF_ANSWERS_TOLERANCE)
        return right / len(self.samples) if self.samples else 0.0


class RunningLoad:
    """A client process at work."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path, load: Load) -> None:
        self._process = process
        self._folder = folder
        self._load = load

    @property
    def pid(self) -> int:
        return self._process.pid

    def finish(self) -> Answers:
        """Wait for its end and read its record; ClientFailed when there is none."""
        load = self._load
        limit = load.warmup_seconds + load.seconds + load.silent_seconds + _LATE_SECONDS
        if self._process.wait(limit) != 0:
            raise ClientFailed(
                f"expected the client to end with 0, found {self._process.returncode}; see its traceback"
            )
        return _read(self._folder, load)


def send(target: Target, load: Load) -> Answers:
    """Send the load and wait for its end."""
    with sending(target, load) as running:
        return running.finish()


@contextmanager
def sending(target: Target, load: Load) -> Iterator[RunningLoad]:
    """The load runs beside the block; it is killed at the end of it if it still runs."""
    requests = target.requests(load.rows_a_request)
    with tempfile.TemporaryDirectory(prefix="autopilot-load-") as name:
        folder = Path(name)
        (folder / "requests").write_bytes(b"".join(requests))
        spec = {
            "folder": name,
            "host": target.host,
            "port": target.port,
            "lengths": [len(request) for request in requests],
            "clients": load.clients,
            "seconds": load.warmup_seconds + load.seconds,
            "rate": load.rate,
            "silent_seconds": load.silent_seconds,
            "marks": list(load.marks),
            "samples": _SAMPLES,
        }
        (folder / "spec.json").write_text(json.dumps(spec))
        with (folder / "spec.json").open() as stdin:
            process = subprocess.Popen([sys.executable, str(_CLIENT)], stdin=stdin, text=True)
        try:
            yield RunningLoad(process, folder, load)
        finally:
            process.kill()
            process.wait()


def _read(folder: Path, load: Load) -> Answers:
    import numpy as np

    columns = {
        name: np.fromfile(folder / name, dtype)
        for name, dtype in (("due", "f8"), ("ended", "f8"), ("status", "i2"), ("marks", "u1"), ("row", "u4"))
    }
    if not columns["due"].size:
        raise ClientFailed("expected requests in the client's record, found none; is the target listening?")
    since = columns["due"].min() + load.warmup_seconds
    counted = (columns["due"] >= since) & (columns["due"] < since + load.seconds)
    return Answers(
        **{name: column[counted] for name, column in columns.items()},
        seconds=load.seconds,
        rows_a_request=load.rows_a_request,
        samples=json.loads((folder / "samples.json").read_text()),
    )


def wait_for_answer(target: Target, seconds: float, process: "subprocess.Popen[bytes] | None" = None) -> float:
    """When the target first answered a request with 200, as a monotonic time.

    TimeoutError when it did not in time, or when its `process` ended before it did.
    """
    import http.client

    deadline = time.monotonic() + seconds
    head, body = target.first_request()
    while time.monotonic() < deadline and (process is None or process.poll() is None):
        connection = http.client.HTTPConnection(target.host, target.port, timeout=seconds)
        try:
            connection.request("POST", target.protocol.path, body, head)
            if connection.getresponse().status == 200:
                return time.monotonic()
        except (OSError, http.client.HTTPException):
            pass  # not there yet: asked again until the deadline
        finally:
            connection.close()
        time.sleep(0.005)
    raise TimeoutError(f"{target.name} did not answer within {seconds} s")


def rows_per_second(answers: Answers) -> float:
    return answers.requests_per_second * answers.rows_a_request
