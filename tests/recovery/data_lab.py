"""Sources behind a fault proxy, a healer and a Prefect API, for drills of the tier `data`. No gateway, no worker."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager

import httpx
import psutil
import yaml

from chaos.ledger import leader_pid
from tests.e2e.running_stack import ROOT, autopilot
from tests.gateway.running import wait_until
from tests.recovery.serving_lab import fault_proxy

LAST = "2013-02-28"
READY_SECONDS = 240.0
SECONDS_MAX = 600.0
LIMITS = {"attempts_max": 12, "recoveries_max": 12, "cooldown_seconds": 2}  # each drill breaks the same source


@contextmanager
def data_lab(folder):
    """A home of the pipeline `flights` with ingested days, its primary source and mirror, and a healer."""
    home = folder / "home"
    home.mkdir()
    with ExitStack() as running:
        running.enter_context(prefect_api(folder / "prefect"))
        running.enter_context(variable("AUTOPILOT_PIPELINES_DIR", str(flights_with_budgets(folder / "pipelines"))))
        sources = {name: running.enter_context(feed(folder, name)) for name in ("feed", "mirror")}
        proxy, links = running.enter_context(fault_proxy({name: url for name, (url, _) in sources.items()}))
        (home / "addresses.json").write_text(json.dumps({**links, "proxy": proxy}))
        services = [_recorded(name, pid) for name, (_, pid) in sources.items()]
        words = ("ingest", "flights", "--until", LAST)
        done = autopilot(*words, home=home, seconds_max=SECONDS_MAX)
        assert done.returncode == 0, done.stderr[-3000:]
        process = running.enter_context(healer(home, "flights"))
        services.append(_recorded("healer", process.pid))
        (home / "processes.json").write_text(json.dumps({"pipeline": "flights", "services": services}))
        wait_until(lambda: leader_pid(home / "ledger.db", "flights"), "a healer leads", READY_SECONDS)
        yield home


def flights_with_budgets(folder):
    """A copy of the pipeline that lets the healer treat the same cause in several drills within an hour."""
    shutil.copytree(ROOT / "pipelines", folder, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "flights" / "pipeline.yaml"
    document = yaml.safe_load(path.read_text())
    own = document["policy"]
    own["stale_data"] = {"remedies": own["stale_data"], "limits": LIMITS}
    own["source_unavailable"] = {"limits": LIMITS}
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return folder


@contextmanager
def variable(name, value):
    """The environment with one more variable."""
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


@contextmanager
def healer(home, pipeline):
    """A healer that starts ingest runs as processes."""
    environment = {**os.environ, "AUTOPILOT_HOME": str(home), "AUTOPILOT_DISPATCH": "inline"}
    with (home / "healer.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "healer", "--pipeline", pipeline], cwd=ROOT, stdout=log, stderr=log, env=environment
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _recorded(name, pid):
    return {"name": name, "pid": pid, "started_at": psutil.Process(pid).create_time()}


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
