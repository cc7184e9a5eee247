"""Prefect's server under several clients that write, with and without the stack's launcher (docs/decisions/0033).

    python -m benchmarks.prefect_server [--quick]

Each client creates a flow run and takes it through three states, again and again without a pause, while another asks
`/api/health`. Takes two minutes.
"""

import argparse
import asyncio
import os
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.healing.stack import until
from benchmarks.result import Comparison, Figure, Result, keep
from benchmarks.serving.processes import running

CLIENTS = 5
SECONDS, SECONDS_QUICK = 40.0, 10.0
START_SECONDS_MAX = 120.0
HEALTH_SECONDS_MAX = 2.0
STATES = ("PENDING", "RUNNING", "COMPLETED")
LAUNCHERS = {"launcher": "cli.stack.prefect_server", "stock": "prefect"}
GOALS: dict[str, tuple[Comparison, float]] = {"health_timeouts": ("==", 0), "flow_runs_over_stock": (">=", 5)}


@dataclass
class Load:
    """Counts of one measurement."""

    base: str
    end: float
    flow_runs: int = 0
    health_timeouts: int = 0
    slowest_health_seconds: float = 0.0

    async def ask_health(self, client: httpx.AsyncClient) -> None:
        while time.monotonic() < self.end:
            began = time.monotonic()
            try:
                await client.get(f"{self.base}/health", timeout=HEALTH_SECONDS_MAX)
            except httpx.HTTPError:
                self.health_timeouts += 1
            self.slowest_health_seconds = max(self.slowest_health_seconds, time.monotonic() - began)
            await asyncio.sleep(0.2)

    async def write(self, client: httpx.AsyncClient, flow: str) -> None:
        """Busy answers (503) and broken connections are asked again, as Prefect's own client does."""
        while time.monotonic() < self.end:
            try:
                run = await client.post(
                    f"{self.base}/flow_runs/", json={"flow_id": flow, "state": {"type": "SCHEDULED"}}
                )
                if not run.is_success:
                    continue
                url = f"{self.base}/flow_runs/{run.json()['id']}/set_state"
                for state in STATES:
                    await client.post(url, json={"state": {"type": state}})
                self.flow_runs += 1
            except httpx.HTTPError:
                continue


def measure(module: str, seconds: float) -> dict[str, Figure]:
    """Start a server with its state in a new directory, load it, and count."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="autopilot-prefect-") as home:
        command = [sys.executable, "-m", module, "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        environment = {**os.environ, "PREFECT_HOME": home, "PREFECT_SERVER_LOGGING_LEVEL": "WARNING"}
        base = f"http://127.0.0.1:{port}/api"
        with running(command, Path(home) / "server.log", environment):
            until(lambda: _answers(base), START_SECONDS_MAX, "Prefect's server answers")
            load = asyncio.run(_load(base, seconds))
    return {
        "flow_runs": load.flow_runs,
        "health_timeouts": load.health_timeouts,
        "slowest_health_seconds": round(load.slowest_health_seconds, 2),
    }


async def _load(base: str, seconds: float) -> Load:
    async with httpx.AsyncClient(trust_env=False, timeout=30.0) as client:
        flow = (await client.post(f"{base}/flows/", json={"name": "load"})).raise_for_status().json()["id"]
        load = Load(base, time.monotonic() + seconds)
        await asyncio.gather(load.ask_health(client), *(load.write(client, flow) for _ in range(CLIENTS)))
    return load


def _answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/health", timeout=HEALTH_SECONDS_MAX, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def main() -> int:
    """Measure both servers and keep the result; 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prefect_server")
    parser.add_argument("--quick", action="store_true", help="shorter load, printed and not kept")
    quick = parser.parse_args().quick
    found = {name: measure(module, SECONDS_QUICK if quick else SECONDS) for name, module in LAUNCHERS.items()}
    ratio = float(found["launcher"]["flow_runs"] or 0) / max(1.0, float(found["stock"]["flow_runs"] or 0))
    figures = {**found["launcher"], "flow_runs_over_stock": round(ratio, 1)}
    result = Result("prefect_server", figures, GOALS, {"stock": found["stock"]})
    if quick:
        print(result)
    else:
        keep(result)
    for missed in result.missed():
        print(f"missed: {missed}", file=sys.stderr)
    return int(bool(result.missed()))


if __name__ == "__main__":
    sys.exit(main())
