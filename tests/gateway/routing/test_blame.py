"""The failure of one request stays with that request: large requests, rows that a model cannot answer, hang-ups."""

import socket
import threading
from contextlib import contextmanager

import pytest

from healing.release import Reason
from healing.trial_rules import TrialCheck
from releases.log import ReleaseLog
from tests.gateway.load import keep_asking
from tests.gateway.running import run_gateway, split_body, wait_until
from tests.odd_models import SLOW_TYPE, SlowClassifier
from tests.published import bootstrap, nan_estimator, publish_tiny_model, start_canary, tiny_rows

pytestmark = pytest.mark.timeout(300)  # a cold fork server imports scikit-learn: 4 s idle, 80 s on a crowded machine
ROW_SECONDS = 0.002
SLOW_OPTIONS = ("--trusted-types", SLOW_TYPE)
PATIENCE = ("--request-deadline-seconds", "6")  # for 900 rows on a crowded machine; 5000 rows take longer on any


@pytest.fixture(scope="module")
def slow_stage(tmp_path_factory, keys):
    """A champion and a fallback that need 2 ms for each row."""
    home = tmp_path_factory.mktemp("slow")
    root = home / "releases"
    models = [
        publish_tiny_model(root, keys, version=version, estimator=SlowClassifier(ROW_SECONDS, lowest))
        for version, lowest in (("1.0.0", 0.4), ("0.9.0", 0.2))
    ]
    bootstrap(root, models[0], fallbacks=(models[1],))
    with run_gateway(root, keys, home / "gateway", *SLOW_OPTIONS, *PATIENCE) as gateway:
        for model in models:
            gateway.wait_for_worker(model.digest)
        gateway.wait_for_generation(1)
        yield gateway, models


def test_a_large_request_is_split_and_answered_by_the_champion_in_the_order_of_its_rows(slow_stage):
    gateway, _ = slow_stage
    rows = tiny_rows(900)  # 1.8 s of work, far more than one batch may take
    reply = gateway.ask(rows)
    assert (reply.status_code, reply.headers["x-rung"]) == (200, "champion")
    assert reply.json()["predictions"] == pytest.approx([0.4 + 0.2 * row[1] / 3 for row in rows])
    assert {worker["restarts"] for worker in gateway.release()["workers"]} == {0}


@contextmanager
def repeating(gateway, rows):
    """One client that sends the same large request again and again; yields the rungs that answered it."""
    stopping, rungs = threading.Event(), []

    def ask() -> None:
        while not stopping.is_set():
            rungs.append(gateway.ask(rows).headers.get("x-rung", "none"))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield rungs
    finally:
        stopping.set()
        thread.join()


def test_a_request_that_cannot_be_answered_in_time_fails_alone(slow_stage):
    gateway, _ = slow_stage
    with repeating(gateway, tiny_rows(5000)) as rungs, keep_asking(gateway) as load:  # 10 s of work each
        wait_until(lambda: len(rungs) >= 2, "two large requests are over")
    assert load.failed == []
    assert load.rungs == {"champion": len(load.replies)}
    assert sorted(reply.seconds for reply in load.replies)[len(load.replies) // 2] < 1.0
    assert gateway.problems() == set()
    assert {(worker["state"], worker["restarts"]) for worker in gateway.release()["workers"]} == {("ready", 0)}


POISON = [["AA", 0, hour] for hour in range(10)]  # the model answers NaN where the distance is 0


@pytest.mark.parametrize("beside", [False, True], ids=["champion alone", "with a fallback"])
def test_rows_that_the_model_cannot_answer_cost_other_clients_nothing(root, keys, state_dir, beside):
    champion = publish_tiny_model(root, keys, version="1.0.0", estimator=nan_estimator())
    fallback = publish_tiny_model(root, keys, version="0.9.0")
    bootstrap(root, champion, fallbacks=(fallback,) if beside else ())
    with run_gateway(root, keys, state_dir) as gateway:
        gateway.wait_for_worker(champion.digest)
        if beside:
            gateway.wait_for_worker(fallback.digest)
        with keep_asking(gateway, clients=2) as sound, keep_asking(gateway, clients=1, rows=POISON) as odd:
            odd.wait_for(30)
            sound.wait_for(30)
        assert sound.rungs == {"champion": len(sound.replies)}
        assert odd.rungs == {"fallback" if beside else "baseline": len(odd.replies)}
        assert gateway.problems() == set()
        worker = gateway.worker(champion.digest)
        assert (worker["breaker"], worker["state"]) == ("closed", "ready")


@pytest.fixture
def trial_stage(root, keys, state_dir):
    """A champion of which enough is known, and a challenger that takes 0.6 s for each row at half of the traffic."""
    bootstrap(root, publish_tiny_model(root, keys, version="1.0.0"))
    slow = publish_tiny_model(root, keys, version="1.1.0", estimator=SlowClassifier(0.6))
    options = ("--batch-deadline-seconds", "5", "--request-deadline-seconds", "10", "--queue-seconds-max", "20")
    with run_gateway(root, keys, state_dir, *SLOW_OPTIONS, *options) as gateway:
        gateway.wait_for_generation(1)
        with keep_asking(gateway) as load:
            load.wait_for(200)
        gateway.wait_for_generation(start_canary(root, slow, 0.5).generation)
        for _ in range(12):  # a fresh worker's first ten batches are no evidence
            gateway.ask(x_model_digest=slow.digest)
        yield gateway, root, slow


def hang_up_after(gateway, seconds, number):
    """Ask one row and close the connection after `seconds`, whatever came by then."""
    address = gateway.predict.base_url
    request = gateway.predict.build_request("POST", "/invocations", json=split_body([tiny_rows(64)[number % 64]]))
    with socket.create_connection((address.host, address.port)) as client:
        head = f"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: {len(request.content)}\r\n\r\n"
        client.sendall(head.encode() + request.content)
        client.settimeout(seconds)
        try:
            client.recv(65536)
        except TimeoutError:
            return


def test_a_challenger_so_slow_that_clients_hang_up_is_aborted_for_latency(trial_stage):
    gateway, root, _ = trial_stage

    def impatient() -> bool:
        for number in range(10):
            hang_up_after(gateway, 0.35, number)
        return ReleaseLog(root).latest_generation() > 2

    wait_until(impatient, f"the challenger is aborted: {gateway.release()['trial']}", seconds=60)
    aborted = ReleaseLog(root).current()
    assert (aborted.reason, aborted.challenger) == (Reason.ABORT, None)
    assert aborted.note.startswith(f"{TrialCheck.LATENCY.value}: challenger was slow in ")
