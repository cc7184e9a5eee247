"""A Prefect server for the time of one command, where no stack runs: `python -m cli.stack.temporary_prefect PORT`.

Prefect would start one by itself, in the command's own process group. A Ctrl-C in the terminal, `timeout` and systemd
signal the whole group: that server ended first, and the command retried its requests to it for minutes. This one has a
session of its own, and ends when its standard input is closed: when the command ends, however it ends.
"""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx

from cli.stack.ports import LOOPBACK, choose_ports
from cli.stack.prefect_server import collect_in_a_thread
from cli.stack.process_tree import POLL_SECONDS, tail
from healing.errors import OrchestratorUnavailable

START_SECONDS_MAX = 120.0  # about 3 s on two idle cores
END_SECONDS_MAX = 3.0
# As in Prefect's own temporary server: no services that plan runs, no pages, and no second process.
_ENVIRONMENT = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}


class TemporaryPrefect:
    """One server, which keeps its state below `PREFECT_HOME` and writes its log to `log`."""

    def __init__(self, log: Path) -> None:
        self._log = log
        port = choose_ports(["prefect"], {}, {})["prefect"]
        self.api_url = f"http://{LOOPBACK}:{port}/api"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cli.stack.temporary_prefect", str(port)],
                env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": _search_path()},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        atexit.register(self.stop)

    def wait_until_it_answers(self) -> None:
        """Return when it is healthy. OrchestratorUnavailable if it ends, or is not healthy in time."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() >= deadline:
                raise OrchestratorUnavailable(
                    f"expected a temporary Prefect server within {START_SECONDS_MAX:.0f} s, found "
                    f"{tail(self._log) or 'no answer'}; see {self._log}"
                )
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End the server; SIGKILL if it takes longer than it should."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(2 * END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.api_url}/health", timeout=5, trust_env=False).is_success
        except httpx.HTTPError:
            return False


def _search_path() -> str:
    """Where the server finds this module, whatever directory the command was called from."""
    return os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])


def _end_with_the_command() -> None:
    """Wait until standard input is closed, then end this process within a few seconds."""
    with contextlib.suppress(OSError):
        sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(END_SECONDS_MAX)
    os._exit(1)


def main() -> None:
    """Serve Prefect's API on the port that is the only argument."""
    [_, port] = sys.argv
    threading.Thread(target=_end_with_the_command, name="end", daemon=True).start()
    collect_in_a_thread()
    import uvicorn

    uvicorn.run(
        "prefect.server.api.server:create_app",
        factory=True,
        host=LOOPBACK,
        port=int(port),
        log_level="error",
        lifespan="on",
    )


if __name__ == "__main__":
    main()
