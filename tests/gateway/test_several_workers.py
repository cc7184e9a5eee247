"""One of two worker processes of a version is killed, stopped and set aside under load: no request is degraded."""

import os
import re
import signal
from contextlib import suppress

import httpx
import pytest

from tests.gateway.load import keep_asking
from tests.gateway.running import run_gateway, wait_until
from tests.published import bootstrap, publish_tiny_model

pytestmark = pytest.mark.timeout(300)
OPTIONS = (
    *("--workers-per-version", "2", "--batch-deadline-seconds", "1.0", "--hang-seconds", "0.5"),
    *("--deaths-max", "3", "--restart-backoff-seconds", "0.05", "--restart-backoff-max-seconds", "0.2"),
)


@pytest.fixture(scope="module")
def served(tmp_path_factory, keys):
    home = tmp_path_factory.mktemp("workers")
    root = home / "releases"
    champion = publish_tiny_model(root, keys)
    bootstrap(root, champion)
    with run_gateway(root, keys, home / "gateway", *OPTIONS) as gateway:
        gateway.wait_for_generation(1)
        yield gateway, champion


def workers_of(gateway, digest):
    found = [worker for worker in gateway.release()["workers"] if worker["digest"] == digest]
    assert [worker["number"] for worker in found] == [1, 2]
    return found


def wait_for_both(gateway, digest):
    def both():
        workers = workers_of(gateway, digest)
        return workers if {worker["state"] for worker in workers} == {"ready"} else None

    return wait_until(both, "both workers are ready")


def health(gateway):
    return httpx.get(f"{gateway.predict.base_url}/health", headers={"accept": "application/json"}, timeout=30).json()


def test_with_both_workers_dead_the_ladder_answers(served):
    gateway, champion = served
    with keep_asking(gateway) as load:
        load.wait_for(20, "champion")
        for worker in wait_for_both(gateway, champion.digest):
            os.kill(worker["pid"], signal.SIGKILL)
        load.wait_for(1, "baseline")
        wait_for_both(gateway, champion.digest)
        load.wait_for(20, "champion")
    assert load.failed == []


@pytest.mark.parametrize(("victim", "number"), [(0, signal.SIGKILL), (1, signal.SIGSTOP)], ids=["SIGKILL", "SIGSTOP"])
def test_a_worker_that_dies_or_hangs_beside_another_costs_no_request_and_degrades_none(served, victim, number):
    gateway, champion = served
    before = wait_for_both(gateway, champion.digest)
    with keep_asking(gateway, clients=6) as load:
        load.wait_for(100)
        os.kill(before[victim]["pid"], number)
        load.wait_for(100)
        pid = before[victim]["pid"]
        wait_until(lambda: workers_of(gateway, champion.digest)[victim]["pid"] not in (None, pid), "it restarts")
        wait_for_both(gateway, champion.digest)
        load.wait_for(50)
    after, other = workers_of(gateway, champion.digest), 1 - victim
    assert load.failed == []
    assert set(load.rungs) == {"champion"}
    assert after[victim]["restarts"] == before[victim]["restarts"] + 1
    assert (after[other]["pid"], after[other]["restarts"]) == (before[other]["pid"], before[other]["restarts"])


def killed_until_set_aside(gateway, digest):
    """Kill the second worker if it is ready; whether it is set aside, which takes three deaths within a minute."""
    worker = workers_of(gateway, digest)[1]
    if worker["state"] == "ready":
        with suppress(ProcessLookupError):
            os.kill(worker["pid"], signal.SIGKILL)
    return worker["state"] == "set_aside"


def test_a_worker_that_is_set_aside_is_named_while_the_other_one_serves(served):
    gateway, champion = served
    wait_for_both(gateway, champion.digest)
    with keep_asking(gateway) as load:
        load.wait_for(20, "champion")
        wait_until(lambda: killed_until_set_aside(gateway, champion.digest), "it is set aside")
        load.wait_for(20, "champion")
    assert load.failed == []
    assert set(load.rungs) == {"champion"}
    (problem,) = gateway.release()["problems"]
    assert (problem["code"], problem["subject"]) == ("unknown", champion.digest)
    assert problem["message"].startswith("worker 2 of 2 of version")
    shown = health(gateway)
    assert (shown["state"], shown["problems"]) == ("serving", ["unknown"])
    assert (shown["champion"]["worker"], shown["champion"]["workers"]) == ("ready", ["ready", "set_aside"])
    metrics = gateway.operate.get("/metrics").text
    workers = re.findall(r"^gateway_workers_(ready|wanted)\{.*\} (\d)", metrics, re.MULTILINE)
    assert dict(workers) == {"ready": "1", "wanted": "2"}
    gateway.operate.post(f"/workers/{champion.digest}/restart")
    wait_for_both(gateway, champion.digest)
    assert gateway.problems() == set()
