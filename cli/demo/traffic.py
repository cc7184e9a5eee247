"""The demo's clients: a load process, the requests that it sends, and the answers that it got."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from chaos.load import Answer, Request, read_answers, write_requests
from cli.feature_rows import FeatureRows
from cli.stack.process_tree import ProcessTree
from cli.stack.services import PROJECT_DIR

RATE_PER_SECOND = 100.0  # 20,000 requests in 200 s
IN_FLIGHT_MAX = 32
LINE_BYTES_MAX = 8192  # an answer takes some 400 bytes, an error message at most 200 more
SECONDS_MAX = 900.0  # a bound for a demo that hangs; it takes three minutes
KEY_HEADER = "x-route-key"


@dataclass(slots=True)
class Traffic:
    """One load process. Its requests are about the rows of the latest `ask_about`; `directory` holds its files."""

    directory: Path
    _pools: int = 0
    _process: subprocess.Popen[bytes] | None = None

    @property
    def requests_directory(self) -> Path:
        return self.directory / "requests"

    @property
    def answers_file(self) -> Path:
        return self.directory / "answers.ndjson"

    def ask_about(self, rows: FeatureRows) -> None:
        """Send requests about `rows` from now on. A request's row is named `<file>/<position>`."""
        self._pools += 1
        name = f"{self._pools:06d}"
        write_requests(self.requests_directory / f"{name}.ndjson", _requests(rows, name))

    def start(self, tree: ProcessTree, url: str, environment: dict[str, str]) -> None:
        """Start the load process; `ask_about` comes first."""
        options = {
            "url": f"{url}/invocations",
            "requests": self.requests_directory,
            "answers": self.answers_file,
            "rate": RATE_PER_SECOND,
            "in-flight-max": IN_FLIGHT_MAX,
            "seconds-max": SECONDS_MAX,
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        command = [sys.executable, "-m", "chaos.load", *arguments]
        self._process = tree.start(command, environment, self.directory / "load.log", PROJECT_DIR)

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self, tree: ProcessTree) -> None:
        """End the load process; it waits for the answers in flight."""
        if self._process is not None:
            tree.end([self._process])

    def count(self) -> int:
        """Requests sent so far, read from the last answer; up to IN_FLIGHT_MAX more may be in flight."""
        if not self.answers_file.exists():
            return 0
        with self.answers_file.open("rb") as stream:
            stream.seek(max(0, self.answers_file.stat().st_size - LINE_BYTES_MAX))
            whole_lines = stream.read().rpartition(b"\n")[0]
        return int(orjson.loads(whole_lines.splitlines()[-1])["index"]) + 1 if whole_lines else 0

    def answers(self) -> list[Answer]:
        """Every answer, in the order of completion."""
        return read_answers(self.answers_file)


def _requests(rows: FeatureRows, name: str) -> Iterator[Request]:
    """One request per row, with the row's key as route key."""
    for position, row in enumerate(rows.rows):
        yield Request(f"{name}/{position}", orjson.dumps(rows.body((row,))), {KEY_HEADER: str(row[0])})
