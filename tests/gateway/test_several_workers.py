"""One of two worker processes of a version is killed, stopped and set aside under load: no request is degraded."""

import os
import signal

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


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=lambda n: n.name)
def test_a_worker_that_dies_or_hangs_beside_another_costs_no_request_and_degrades_none(served, number):
    gateway, champion = served
    before = wait_for_both(gateway, champion.digest)
    with keep_asking(gateway, clients=6) as load:
        load.wait_for(100)
        os.kill(before[0]["pid"], number)
        load.wait_for(100)
        wait_until(
            lambda: workers_of(gateway, champion.digest)[0]["pid"] not in (None, before[0]["pid"]), "it restarts"
        )
        wait_for_both(gateway, champion.digest)
        load.wait_for(50)
    after = workers_of(gateway, champion.digest)
    assert load.failed == []
    assert set(load.rungs) == {"champion"}
    assert after[0]["restarts"] == before[0]["restarts"] + 1
    assert (after[1]["pid"], after[1]["restarts"]) == (before[1]["pid"], before[1]["restarts"])


def test_a_worker_that_is_set_aside_is_named_while_the_other_one_serves(served):
    gateway, champion = served
    wait_for_both(gateway, champion.digest)
    gateway.operate.post(f"/workers/{champion.digest}/restart")  # forgets the deaths of the tests before
    wait_for_both(gateway, champion.digest)
    with keep_asking(gateway) as load:
        load.wait_for(20, "champion")
        for _ in range(3):
            pid = wait_for_both(gateway, champion.digest)[1]["pid"]
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: workers_of(gateway, champion.digest)[1]["pid"] != pid, "the death is seen")
        wait_until(lambda: workers_of(gateway, champion.digest)[1]["state"] == "set_aside", "it is set aside")
        load.wait_for(20, "champion")
    assert load.failed == []
    assert set(load.rungs) == {"champion"}
    (problem,) = gateway.release()["problems"]
    assert (problem["code"], problem["subject"]) == ("resource_pressure", champion.digest)
    assert problem["message"].startswith("worker 2 of 2 of version")
    shown = health(gateway)
    assert (shown["state"], shown["problems"]) == ("serving", ["resource_pressure"])
    assert (shown["champion"]["worker"], shown["champion"]["workers"]) == ("ready", ["ready", "set_aside"])
    metrics = gateway.operate.get("/metrics").text
    assert "gateway_workers_ready 1.0" in metrics
    assert "gateway_workers_wanted 2.0" in metrics
    gateway.operate.post(f"/workers/{champion.digest}/restart")
    wait_for_both(gateway, champion.digest)
    assert gateway.problems() == set()


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
