"""Kills each worker process of one model as soon as it is ready: `... KEEP_FILE SECONDS OPERATE_URL DIGEST`."""

import sys

import httpx
import psutil

from chaos.agents.agent import keep_active
from chaos.processes import ProcessName
from chaos.trust import tls_context

TIMEOUT_SECONDS = 2.0


def kill_ready_worker(operate: str, digest: str) -> None:
    """Kill the model's worker if the gateway calls it ready."""
    try:
        found = httpx.get(f"{operate}/release", timeout=TIMEOUT_SECONDS, trust_env=False, verify=tls_context())
        workers = found.json()["workers"]
    except (httpx.HTTPError, ValueError):
        return
    for worker in workers:
        if worker["digest"] == digest and worker["state"] == "ready" and worker["pid"]:
            try:
                process = ProcessName.of(worker["pid"]).find()
            except psutil.NoSuchProcess:
                continue
            if process is not None:
                process.kill()


if __name__ == "__main__":
    operate_url, model = sys.argv[3:]
    keep_active(sys.argv[1:], lambda: kill_ready_worker(operate_url, model))
