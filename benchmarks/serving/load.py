"""Sends load at a target from a process of its own, and reads the answers into arrays."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.result import PROJECT
from benchmarks.serving.targets import Target
from chaos.load import Answer, Lost, read_answers, write_requests
from healing.errors import Transient

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLES = 256
_ANSWER_TOLERANCE = 1e-6  # JSON keeps more; a wrong model is off by far more
_LATE_SECONDS = 60.0  # past its own end, before a client counts as stuck


class ClientFailed(Transient):
    """The client process ended without a record: what it would have measured is unknown."""


@dataclass(frozen=True, slots=True)
class Load:
    """`clients` connections for `seconds`; with `rate` (requests per second) the load is open-loop."""

    clients: int
    seconds: float
    warmup_seconds: float = 1.0  # answered, and left out of every figure
    rows_per_request: int = 1
    rate: float | None = None
    timeout_seconds: float = 10.0
    samples: int = SAMPLES  # responses whose bodies are kept


@dataclass(frozen=True)
class Answers:
    """Every request of a load after its warm-up, in the order in which they ended. Times are monotonic seconds.

    `status` is 0 where no response came, and `lost` says why. `samples` are the answers whose bodies were kept, those
    of the warm-up included.
    """

    due: "NDArray[np.float64]"
    ended: "NDArray[np.float64]"
    status: "NDArray[np.int16]"
    lost: "NDArray[np.str_]"
    error: "NDArray[np.str_]"
    degraded: "NDArray[np.bool_]"
    rung: "NDArray[np.str_]"
    version: "NDArray[np.str_]"
    seconds: float
    rows_per_request: int
    samples: list[Answer]

    @property
    def good(self) -> "NDArray[np.bool_]":
        good: NDArray[np.bool_] = self.status == 200
        return good

    @property
    def unsent(self) -> "NDArray[np.bool_]":
        """No connection was free when the request was due."""
        unsent: NDArray[np.bool_] = self.lost == Lost.UNSENT.value
        return unsent

    @property
    def broken(self) -> "NDArray[np.bool_]":
        """Sent, and never answered."""
        broken: NDArray[np.bool_] = (self.status == 0) & ~self.unsent
        return broken

    @property
    def refused(self) -> int:
        """No server listened."""
        return sum(str(error).startswith(ConnectionRefusedError.__name__) for error in self.error[self.broken])

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

    def check(self, target: Target, expected: "NDArray[np.float64]") -> float:
        """Share of the sampled answers that equal what the model itself answers, `expected` in the order of rows."""
        import numpy as np

        right = 0
        for sample in self.samples:
            first = int(sample.row) * self.rows_per_request
            wanted = expected[first : first + self.rows_per_request]
            found = np.asarray(target.protocol.values(sample.body))
            right += found.shape == wanted.shape and np.allclose(found, wanted, atol=_ANSWER_TOLERANCE)
        return right / len(self.samples) if self.samples else 0.0


class RunningLoad:
    """A client process at work."""

    def __init__(self, process: "subprocess.Popen[bytes]", record: Path, load: Load) -> None:
        self._process = process
        self._record = record
        self._load = load

    @property
    def pid(self) -> int:
        return self._process.pid

    def finish(self) -> Answers:
        """Wait for its end and read its record; ClientFailed when there is none."""
        return _arrays(self.records(), self._load)

    def records(self) -> list[Answer]:
        """Wait for its end and read every request, those of the warm-up included, with its predictions."""
        load = self._load
        limit = load.warmup_seconds + load.seconds + load.timeout_seconds + _LATE_SECONDS
        if self._process.wait(limit) != 0:
            raise ClientFailed(
                f"expected the client to end with 0, found {self._process.returncode}; see its traceback"
            )
        return read_answers(self._record)


def send(target: Target, load: Load) -> Answers:
    """Send the load and wait for its end."""
    with sending(target, load) as running:
        return running.finish()


@contextmanager
def sending(target: Target, load: Load) -> Iterator[RunningLoad]:
    """The load runs beside the block; it is killed at the end of it if it still runs."""
    with tempfile.TemporaryDirectory(prefix="autopilot-load-") as name:
        folder, record = Path(name), Path(name) / "answers"
        write_requests(folder / "requests.ndjson", target.requests(load.rows_per_request))
        process = subprocess.Popen(_command(target, load, folder, record), cwd=PROJECT)
        try:
            yield RunningLoad(process, record, load)
        finally:
            process.kill()
            process.wait()


def _command(target: Target, load: Load, folder: Path, record: Path) -> list[str]:
    command = [
        *(sys.executable, "-m", "chaos.load", "--url", target.url, "--requests", str(folder), "--answers", str(record)),
        *("--seconds-max", str(load.warmup_seconds + load.seconds), "--timeout", str(load.timeout_seconds)),
        *("--write-at-end", "--bodies", str(load.samples)),
    ]
    if load.rate is None:
        return [*command, "--clients", str(load.clients)]
    return [*command, "--rate", str(load.rate), "--in-flight-max", str(load.clients), "--drop-when-full"]


def _arrays(answers: list[Answer], load: Load) -> Answers:
    import numpy as np

    if not answers:
        raise ClientFailed("expected requests in the client's record, found none; is the target listening?")
    since = min(answer.intended_at for answer in answers) + load.warmup_seconds
    counted = [answer for answer in answers if since <= answer.intended_at < since + load.seconds]
    return Answers(
        due=np.array([answer.intended_at for answer in counted], "f8"),
        ended=np.array([answer.answered_at for answer in counted], "f8"),
        status=np.array([answer.status or 0 for answer in counted], "i2"),
        lost=np.array([answer.lost.value if answer.lost else "" for answer in counted], "U16"),
        error=np.array([answer.error for answer in counted], "U32"),
        degraded=np.array([answer.degraded for answer in counted], "?"),
        rung=np.array([answer.rung for answer in counted], "U16"),
        version=np.array([answer.version for answer in counted], "U32"),
        seconds=load.seconds,
        rows_per_request=load.rows_per_request,
        samples=[answer for answer in answers if answer.status == 200 and answer.body],
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
            pass  # not there yet: sent again until the deadline
        finally:
            connection.close()
        time.sleep(0.005)
    raise TimeoutError(f"{target.name} did not answer within {seconds} s")


def rows_per_second(answers: Answers) -> float:
    return answers.requests_per_second * answers.rows_per_request
