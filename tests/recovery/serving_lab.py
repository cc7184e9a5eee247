"""A gateway with two models, and a real healer beside it: what drills of the tier `serving` need. No Prefect."""

import json
from contextlib import contextmanager
from datetime import UTC, datetime

import psutil

from releases.log import ReleaseLog, promotion_of
from releases.signing import ensure_keys
from tasks.ledger.store import Ledger
from tests.flows.release_bench import PIPELINE_YAML
from tests.gateway.running import run_gateway, wait_until
from tests.healer.resident import healer, leader
from tests.published import PIPELINE, bootstrap, publish_tiny_model, start_canary

NOWHERE = "http://127.0.0.1:9"  # the discard port: nothing here asks Prefect or a source
READY_SECONDS = 120.0


class ServingLab:
    """The lab of one home while `serving_lab` runs it."""

    def __init__(self, home, gateway, keys):
        self.home = home
        self.gateway = gateway
        self.keys = keys
        self.root = home / "releases" / PIPELINE
        self.published = 0

    def publish(self):
        """Another model, with a version and a digest of its own."""
        self.published += 1
        return publish_tiny_model(self.root, self.keys, version=f"0.{self.published}.0", seed=self.published)

    def renew(self):
        """Make a model champion that no drill has fenced, with a fallback that is ready; its digest."""
        log = ReleaseLog(self.root)
        champion = self.publish()
        start_canary(self.root, champion, 0.5)
        log.append(promotion_of(log.current(), author="test", now=datetime.now(UTC)))
        wait_until(lambda: self._is_warm(champion.digest), "the new champion and a fallback are ready", READY_SECONDS)
        return champion.digest

    def _is_warm(self, champion):
        state = self.gateway.release()
        ready = {worker["digest"] for worker in state["workers"] if worker["state"] == "ready"}
        serves = state["release"] and state["release"]["champion"]["digest"] == champion
        settled = state["active_generation"] == state["desired_generation"] and not state["problems"]
        return serves and settled and champion in ready and len(ready) > 1


@contextmanager
def serving_lab(folder):
    """A home with a champion, a fallback, a gateway that serves both, and a healer that leads."""
    home, pipelines = folder / "home", folder / "pipelines"
    (pipelines / PIPELINE).mkdir(parents=True)
    (pipelines / PIPELINE / "pipeline.yaml").write_text(PIPELINE_YAML)
    (home / "gateway").mkdir(parents=True)
    keys = ensure_keys(home / "keys")
    Ledger(f"sqlite:///{home / 'ledger.db'}").close()
    with run_gateway(home / "releases" / PIPELINE, keys, home / "gateway" / PIPELINE) as gateway:
        lab = ServingLab(home, gateway, keys)
        bootstrap(lab.root, lab.publish())
        addresses = {"gateway": str(gateway.predict.base_url), "operate": str(gateway.operate.base_url)}
        _write(home / "addresses.json", addresses)
        environment = {
            "AUTOPILOT_HOME": str(home),
            "AUTOPILOT_PIPELINES_DIR": str(pipelines),
            "AUTOPILOT_DISPATCH": "inline",
            "PREFECT_API_URL": f"{NOWHERE}/api",
        }
        with healer(folder / "healer.log", environment) as process:
            wait_until(lambda: leader(f"sqlite:///{home / 'ledger.db'}"), "the healer leads", READY_SECONDS)
            services = {"gateway": gateway.process.pid, "healer": process.pid}
            recorded = [
                {"name": name, "pid": pid, "started_at": psutil.Process(pid).create_time()}
                for name, pid in services.items()
            ]
            _write(home / "processes.json", {"pipeline": PIPELINE, "services": recorded})
            yield lab


def _write(path, document):
    path.write_text(json.dumps(document))
