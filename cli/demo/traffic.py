"""Starts the demo's clients, tells them what to ask about, and reads back what they were answered."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import orjson

from chaos.load import Answer
from cli.feature_rows import FeatureRows
from cli.processes import ProcessTree
from cli.stack import PROJECT_DIR
from releases.files import write_atomically

RATE_PER_SECOND = 100.0  # with its answers takes half a core of two; 20,000 requests in 200 s
LINE_BYTES_MAX = 8192  # an answer takes some 400 bytes, an error message at most 200 more
SECONDS_MAX = 900.0  # a bound for a story that hangs; it takes three minutes


@dataclass(slots=True)
class Traffic:
    """One load process over pools of rows in `directory`."""

    directory: Path
    _pools: int = 0
    _process: subprocess.Popen[bytes] | None = None

    @property
    def pools_directory(self) -> Path:
        return self.directory / "pools"

    @property
    def answers_file(self) -> Path:
        return self.directory / "answers.ndjson"

    def ask_about(self, rows: FeatureRows) -> None:
        """From now on the clients ask about `rows`."""
        self._pools += 1
        pool = {"columns": rows.columns, "rows": rows.rows}
        write_atomically(self.pools_directory / f"{self._pools:06d}.json", orjson.dumps(pool))

    def start(self, tree: ProcessTree, url: str, environment: dict[str, str]) -> None:
        """Start asking; `ask_about` comes first."""
        options = {
            "url": f"{url}/invocations",
            "pools": self.pools_directory,
            "answers": self.answers_file,
            "rate": RATE_PER_SECOND,
            "seconds-max": SECONDS_MAX,
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        command = [sys.executable, "-m", "cli.demo.load", *arguments]
        self._process = tree.start(command, environment, self.directory / "load.log", PROJECT_DIR)

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self, tree: ProcessTree) -> None:
        """End the clients; the answers in flight are waited for."""
        if self._process is not None:
            tree.end([self._process])

    def count(self) -> int:
        """Requests sent so far, read from the last answer; `stop` waits for the few that are still in flight."""
        if not self.answers_file.exists():
            return 0
        with self.answers_file.open("rb") as stream:
            stream.seek(max(0, self.answers_file.stat().st_size - LINE_BYTES_MAX))
            whole_lines = stream.read().rpartition(b"\n")[0]
        return int(orjson.loads(whole_lines.splitlines()[-1])["index"]) + 1 if whole_lines else 0

    def answers(self) -> list[Answer]:
        """Every answer, in the order of completion."""
        if not self.answers_file.exists():
            return []
        lines = self.answers_file.read_bytes().splitlines()
        return [Answer(**{**line, "predictions": tuple(line["predictions"])}) for line in map(orjson.loads, lines)]
