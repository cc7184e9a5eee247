"""Sources, a ledger and a Prefect API for ingest runs: what drills of the tier `data` need. No gateway, no worker."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager

import httpx
import psutil

from tests.e2e.running_stack import ROOT, autopilot
from tests.gateway.running import wait_until

LAST = "2013-02-28"
READY_SECONDS = 240.0
SECONDS_MAX = 600.0


@contextmanager
def data_lab(folder):
    """A home of the pipeline `flights` with ingested days, and its primary source and mirror."""
    home = folder / "home"
    home.mkdir()
    with ExitStack() as running:
        running.enter_context(prefect_api(folder / "prefect"))
        sources = {name: running.enter_context(feed(folder, name)) for name in ("feed", "mirror")}
        (home / "addresses.json").write_text(json.dumps({name: url for name, (url, _) in sources.items()}))
        services = [
            {"name": name, "pid": pid, "started_at": psutil.Process(pid).create_time()}
            for name, (_, pid) in sources.items()
        ]
        (home / "processes.json").write_text(json.dumps({"pipeline": "flights", "services": services}))
        words = ("ingest", "flights", "--until", LAST)
        done = autopilot(*words, home=home, seconds_max=SECONDS_MAX)
        assert done.returncode == 0, done.stderr[-3000:]
        yield home


@contextmanager
def prefect_api(folder):
    """A Prefect server for the whole block, so that no ingest run starts one of its own."""
    os.environ["PREFECT_HOME"] = str(folder)
    from prefect.settings import get_current_settings
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=int(READY_SECONDS)):
        os.environ["PREFECT_API_URL"] = str(get_current_settings().api.url)
        try:
            yield
        finally:
            del os.environ["PREFECT_API_URL"], os.environ["PREFECT_HOME"]


@contextmanager
def feed(folder, name):
    """Address and process id of one process of the bundled source; both share one clock."""
    command = [sys.executable, "-m", "pipelines.flights.feed", "--port", "0", "--state-dir", str(folder / "feed")]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command + (["--faulty"] if name == "feed" else []),
            cwd=ROOT,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    try:
        line = "feed listens on "
        wait_until(lambda: line in (folder / f"{name}.log").read_text(), f"{name} listens", READY_SECONDS)
        url = (folder / f"{name}.log").read_text().partition(line)[2].strip()
        wait_until(lambda: httpx.get(f"{url}/health", timeout=60, trust_env=False).is_success, name, READY_SECONDS)
        yield url, process.pid
    finally:
        process.kill()
        process.wait()
