"""A gateway whose releases are in an object store goes on answering while the store is silent or cut off."""

import os
import signal

import pytest

from healing.release import Reason
from tests.gateway.load import keep_asking
from tests.gateway.running import run_gateway, wait_until
from tests.object_store import object_store
from tests.published import bootstrap, end_trial, publish_tiny_model

pytestmark = pytest.mark.timeout(300)  # see test_faults


def away(gateway, root):
    return ("store_unavailable", str(root)) in gateway.problems()


def test_a_store_that_falls_silent_and_is_cut_off_costs_no_request_and_no_start(keys, tmp_path, state_dir):
    with object_store() as store:
        root = store.root(tmp_path / "here")
        champion, fallback = (publish_tiny_model(root, keys, version=f"1.0.{n}", seed=n) for n in (1, 2))
        bootstrap(root, champion, fallbacks=(fallback,))
        with run_gateway(root, keys, state_dir) as gateway:
            gateway.wait_for_generation(1)
            for model in (champion, fallback):
                gateway.wait_for_worker(model.digest)
            wait_until(lambda: list((state_dir / "cache" / "log").glob("*.json")), "the release is kept")
            with keep_asking(gateway) as load:
                load.wait_for(20, "champion")
                store.network.add("timeout", timeout=0)
                wait_until(lambda: away(gateway, root), "silence is reported")
                load.wait_for(20, "champion")
                store.network.remove("timeout")
                wait_until(lambda: not away(gateway, root), "the store is read again")
                store.network.cut()
                wait_until(lambda: away(gateway, root), "the cut is reported")
                killed = gateway.worker(champion.digest)["pid"]
                os.kill(killed, signal.SIGKILL)
                wait_until(lambda: gateway.worker(champion.digest)["pid"] not in (killed, None), "a worker starts")
                gateway.wait_for_worker(champion.digest)
                load.wait_for(20, "champion")
            assert load.failed == []
            assert load.rungs["baseline"] == 0
            assert gateway.stop() == 0
        with run_gateway(root, keys, state_dir) as gateway:
            wait_until(lambda: gateway.predict.get("/ping").status_code == 200, "it serves from its copy")
            assert gateway.ask([["AA", 1.0, 3]]).headers["x-rung"] == "champion"
            assert away(gateway, root)
            store.network.mend()
            wait_until(lambda: not away(gateway, root), "the store is read again")
            release = end_trial(root, reason=Reason.ROLLBACK, champion=fallback)
            gateway.wait_for_generation(release.generation)
