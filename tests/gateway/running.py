"""A real gateway process on loopback ports, and its clients."""

import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from releases.signing import Keys
from tests.published import PIPELINE, SCHEMA, tiny_rows

WAIT_SECONDS = 120.0  # importing scikit-learn takes 4 s on an idle machine, 80 on a crowded one
_LISTENING = re.compile(r'"predict":\["127\.0\.0\.1",(?P<predict>\d+)\],"operate":\["127\.0\.0\.1",(?P<operate>\d+)\]')


def wait_until(holds: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS) -> Any:
    """The first true value of `holds`, or an AssertionError that says what never came."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := holds():
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s: {what}")


def split_body(rows: list[list[Any]], keys: list[str] | None = None) -> dict[str, Any]:
    """A dataframe_split body, with a key column when `keys` are given."""
    if keys is None:
        return {"dataframe_split": {"columns": list(SCHEMA.names), "data": rows}}
    rows = [[*row, key] for row, key in zip(rows, keys, strict=True)]
    return {"dataframe_split": {"columns": [*SCHEMA.names, "id"], "data": rows}}


@dataclass
class RunningGateway:
    process: subprocess.Popen[str]
    predict: httpx.Client
    operate: httpx.Client
    output: Path

    def ask(self, rows: list[list[Any]] | None = None, **headers: str) -> httpx.Response:
        """One request; header names with underscores for hyphens."""
        rows = tiny_rows(1) if rows is None else rows
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.predict.post("/invocations", json=split_body(rows), headers=sent)

    def release(self) -> dict[str, Any]:
        state: dict[str, Any] = self.operate.get("/release").json()
        return state

    def worker(self, digest: str) -> dict[str, Any]:
        return next((w for w in self.release()["workers"] if w["digest"] == digest), {"state": "absent", "pid": None})

    def wait_for_worker(self, digest: str, state: str = "ready") -> dict[str, Any]:
        """A worker in this state. The first release is active then, if its champion answers."""

        def there() -> dict[str, Any] | None:
            release = self.release()
            named = (worker for worker in release["workers"] if worker["digest"] == digest)
            worker = next(named, {"state": "absent", "pid": None})
            ready = {each["role"] for each in release["workers"] if each["state"] == "ready"}
            activating = release["active_generation"] == 0 and "champion" in ready
            return worker if worker["state"] == state and not activating else None

        found: dict[str, Any] = wait_until(there, f"worker {digest[:8]} is {state}; now {self.release()}")
        return found

    def wait_for_generation(self, generation: int) -> None:
        wait_until(lambda: self.release()["active_generation"] == generation, f"generation {generation} is active")

    def problems(self) -> set[tuple[str, str]]:
        return {(problem["code"], problem["subject"]) for problem in self.release()["problems"]}

    def stop(self) -> int:
        """SIGTERM, and the exit code that follows."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_SECONDS)


def gateway_command(root: Path, keys: Keys, state_dir: Path, *options: str) -> list[str]:
    return [
        *(sys.executable, "-m", "gateway", "--pipeline", PIPELINE),
        *("--release-root", str(root), "--public-key", str(keys.public), "--state-dir", str(state_dir)),
        *options,
    ]


@contextmanager
def run_gateway(
    root: Path, keys: Keys, state_dir: Path, *options: str, ca_file: Path | None = None
) -> Iterator[RunningGateway]:
    """Start a gateway on free ports; it is killed at the end if it still runs. With `ca_file` its clients use TLS."""
    output = state_dir.parent / f"{state_dir.name}-{time.monotonic_ns()}.log"
    command = gateway_command(root, keys, state_dir, "--port", "0", "--operate-port", "0", *options)
    with output.open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"NO_COLOR": "1"}, text=True)
    try:
        found = wait_until(lambda: _LISTENING.search(output.read_text()) or process.poll(), "the gateway listens")
        assert isinstance(found, re.Match), output.read_text()
        scheme = "http" if ca_file is None else "https"
        operate, predict = (f"{scheme}://127.0.0.1:{port}" for port in (found["operate"], found["predict"]))
        trust = True if ca_file is None else ssl.create_default_context(cafile=ca_file)
        with (
            httpx.Client(base_url=predict, timeout=30, verify=trust) as p,
            httpx.Client(base_url=operate, timeout=30, verify=trust) as o,
        ):
            yield RunningGateway(process, p, o, output)
    finally:
        process.kill()
        process.wait(WAIT_SECONDS)
