"""A gateway with several models, and real healers beside it: what drills of the tier `serving` need. No Prefect.

The healers reach the gateway through a fault proxy, as clients reach it directly; a second healer stands by.
"""

import json
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime

import httpx
import numpy as np
import psutil
import pytest

from chaos.ledger import unfinished
from chaos.settable_clock import COMPILER, variables
from chaos.staging.needs import GROWING_TYPE
from healer.status_file import metrics_file
from releases.log import ReleaseLog, promotion_of
from releases.manifest import ReferenceProfile
from releases.signing import ensure_keys
from tasks.ledger.store import Ledger
from tasks.rollout.trial_controller_lease import controlling
from tests.chaos.standin import JsonServer
from tests.flows.release_bench import PIPELINE_YAML
from tests.gateway.running import run_gateway, wait_until
from tests.healer.resident import healer, leader
from tests.published import (
    PIPELINE,
    bootstrap,
    frame,
    publish_tiny_model,
    start_canary,
    tiny_estimator,
    tiny_rows,
)

NOWHERE = "http://127.0.0.1:9"  # the discard port: nothing here asks Prefect or a source
READY_SECONDS = 240.0  # a remedy of the drill before may be observed for two minutes
GOLDEN_ROWS = 32  # the load of a drill; a gateway judges a model by at least 20 different rows
WORKER_BYTES_MAX = 128 * 2**20  # a growing model keeps 2 MiB per batch
HAS_COMPILER = shutil.which(COMPILER) is not None
HEALERS = ("healer", "standby")


class ServingLab:
    """The lab of one home while `serving_lab` runs it."""

    def __init__(self, home, gateway, keys, start_healer):
        self.home = home
        self.gateway = gateway
        self.keys = keys
        self.root = home / "releases" / PIPELINE
        self.published = 0
        self.healers = {}
        self._start_healer = start_healer

    def publish(self):
        """Another model, with a version and a digest of its own."""
        self.published += 1
        estimator, rows = tiny_estimator(self.published), tiny_rows(GOLDEN_ROWS, seed=self.published)
        return publish_tiny_model(
            self.root,
            self.keys,
            version=f"0.{self.published}.0",
            seed=self.published,
            estimator=estimator,
            reference=reference_of(estimator, rows),
            golden_rows=rows,
        )

    def renew(self, fallbacks=1):
        """Make a model champion that no drill has fenced, with fallbacks that are ready, and healers that run."""
        self.start_healers()
        self._promote_another()
        while len(ReleaseLog(self.root).current().fallbacks) < fallbacks:
            self._promote_another()
        champion = ReleaseLog(self.root).current().champion.digest
        wait_until(
            lambda: self._is_warm(champion, fallbacks), "the new champion and fallbacks are ready", READY_SECONDS
        )

    def start_healers(self):
        """Start the healers that do not run, and wait until one leads."""
        for name in HEALERS:
            if name not in self.healers or self.healers[name].poll() is not None:
                self.healers[name] = self._start_healer(name)
        wait_until(lambda: leader(f"sqlite:///{self.home / 'ledger.db'}"), "a healer leads", READY_SECONDS)
        services = {"gateway": self.gateway.process.pid, **{name: each.pid for name, each in self.healers.items()}}
        recorded = [
            {"name": name, "pid": pid, "started_at": psutil.Process(pid).create_time()}
            for name, pid in services.items()
        ]
        _write(self.home / "processes.json", {"pipeline": PIPELINE, "services": recorded})

    def stop_healers(self):
        """End the healers: from now on nothing is healed."""
        for process in self.healers.values():
            process.kill()
            process.wait()

    def _promote_another(self):
        log = ReleaseLog(self.root)
        start_canary(self.root, self.publish(), 0.5)
        log.append(promotion_of(log.current(), author="test", now=datetime.now(UTC)))

    def _is_warm(self, champion, fallbacks):
        state = self.gateway.release()
        ready = {worker["digest"] for worker in state["workers"] if worker["state"] == "ready"}
        serves = state["release"] and state["release"]["champion"]["digest"] == champion
        settled = state["active_generation"] == state["desired_generation"] and not state["problems"]
        quiet = not unfinished(self.home / "ledger.db", PIPELINE)  # of the drill before
        return serves and settled and quiet and champion in ready and len(ready) > fallbacks


def reference_of(estimator, rows):
    """The profile of a model whose live rows are its golden ones."""
    answers = estimator.predict_proba(frame(rows))[:, 1]
    deciles = tuple(float(each) for each in np.quantile(answers, np.linspace(0, 1, 11)))
    return ReferenceProfile(rows=200, prediction_quantiles=deciles, answer_deciles=deciles)


@contextmanager
def serving_lab(folder):
    """A home with a champion, a gateway that serves it, and healers of which one leads."""
    home, pipelines = folder / "home", folder / "pipelines"
    clock = settable_clock(folder)
    (pipelines / PIPELINE).mkdir(parents=True)
    (pipelines / PIPELINE / "pipeline.yaml").write_text(PIPELINE_YAML)
    (home / "gateway").mkdir(parents=True)
    keys = ensure_keys(home / "keys")
    Ledger(f"sqlite:///{home / 'ledger.db'}").close()
    make_registry(home / "mlflow" / "mlflow.db")
    with ExitStack() as running:
        options = (
            *("--control-plane-metrics-file", str(metrics_file(home, PIPELINE))),
            *("--trusted-types", GROWING_TYPE, "--worker-memory-bytes-max", str(WORKER_BYTES_MAX)),
        )
        with pytest.MonkeyPatch.context() as patched:
            for name, value in clock.items():
                patched.setenv(name, value)
            gateway = running.enter_context(
                run_gateway(home / "releases" / PIPELINE, keys, home / "gateway" / PIPELINE, *options)
            )
        addresses = {"gateway": str(gateway.predict.base_url), "operate": str(gateway.operate.base_url)}
        channel = running.enter_context(alert_channel())
        proxy, links = running.enter_context(fault_proxy({**addresses, "alert": channel}))
        environment = {
            "AUTOPILOT_HOME": str(home),
            "AUTOPILOT_PIPELINES_DIR": str(pipelines),
            "AUTOPILOT_DISPATCH": "inline",
            "AUTOPILOT_GATEWAY_URL": links["gateway"],
            "AUTOPILOT_OPERATE_URL": links["operate"],
            "AUTOPILOT_ALERT_URLS": json.dumps([links["alert"].replace("http://", "json://")]),
            "PREFECT_API_URL": f"{NOWHERE}/api",
            **clock,
        }
        start = lambda name: running.enter_context(healer(folder / f"{name}.log", environment))  # noqa: E731
        lab = ServingLab(home, gateway, keys, start)
        bootstrap(lab.root, lab.publish())
        _write(home / "addresses.json", {**addresses, "proxy": proxy})
        running.enter_context(controlling(f"sqlite:///{home / 'ledger.db'}", PIPELINE))  # else a trial is stranded
        lab.start_healers()
        yield lab


def settable_clock(folder):
    """The environment of a process whose wall clock can be set; empty without a C compiler."""
    return variables(folder / "clock") if HAS_COMPILER else {}


def make_registry(file):
    """A SQLite file as MLflow's tracking store: healing asks it for its tables only."""
    file.parent.mkdir()
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name TEXT)")
        database.executemany("INSERT INTO experiments (name) VALUES (?)", [("x" * 500,)] * 100)


@contextmanager
def fault_proxy(upstreams):
    """The address of a fault proxy's API, and the address of a link to each upstream."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "chaos.proxy", "--port", str(port)])
    api = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(f"{api}/version"), "the fault proxy answers", READY_SECONDS)
        documents = [
            {"name": name, "listen": "127.0.0.1:0", "upstream": url.removeprefix("http://").rstrip("/")}
            for name, url in upstreams.items()
        ]
        made = httpx.post(f"{api}/populate", json=documents, trust_env=False).raise_for_status().json()["proxies"]
        yield api, {each["name"]: f"http://{each['listen']}" for each in made}
    finally:
        process.kill()
        process.wait()


@contextmanager
def alert_channel():
    """The address of a channel that accepts every message."""
    with JsonServer(lambda *_: (200, {}, {})) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.url
        finally:
            server.shutdown()


def _answers(url):
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _write(path, document):
    path.write_text(json.dumps(document))
