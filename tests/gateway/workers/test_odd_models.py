"""Models of a user's own class that crash, sleep, allocate, leak or answer nonsense on one row, under load."""

import pickle
from pathlib import Path

import pytest

from healing.release import ModelRef
from releases.store import ModelStore
from tests.gateway.load import keep_asking
from tests.gateway.running import run_gateway, wait_until
from tests.odd_models import TYPE, OddClassifier
from tests.published import bootstrap, publish_tiny_model

pytestmark = pytest.mark.timeout(300)  # see test_faults
OPTIONS = (
    *("--trusted-types", TYPE, "--worker-memory-bytes-max", str(256 * 2**20)),
    *("--batch-deadline-seconds", "1.5", "--hang-seconds", "0.5"),
    *("--restart-backoff-seconds", "0.05", "--restart-backoff-max-seconds", "0.2"),
)
LEAKS = 5  # five times 64 MB are more than the limit, and less than what the worker's own limit refuses


@pytest.fixture(scope="module")
def odd(tmp_path_factory, keys):
    """A gateway with an odd champion above a sound fallback."""
    home = tmp_path_factory.mktemp("odd")
    root = home / "releases"
    champion = publish_tiny_model(root, keys, version="1.0.1", estimator=OddClassifier())
    fallback = publish_tiny_model(root, keys, version="1.0.0")
    bootstrap(root, champion, fallbacks=(fallback,))
    with run_gateway(root, keys, home / "gateway", *OPTIONS) as gateway:
        gateway.wait_for_generation(1)
        for model in (champion, fallback):
            gateway.wait_for_worker(model.digest)
        yield gateway, champion


def ask_for(gateway, champion, carrier):
    """Send one odd row under load; the answer, and the worker before and after."""
    wait_until(lambda: gateway.ask().headers["x-rung"] == "champion", "the champion answers")
    before = gateway.worker(champion.digest)
    with keep_asking(gateway) as load:
        load.wait_for(20, "champion")
        reply = gateway.ask([[carrier, 1.0, 3]])
        load.wait_for(1)
        wait_until(lambda: gateway.worker(champion.digest)["state"] == "ready", "the champion is ready")
        load.wait_for(20, "champion")
    assert load.failed == []
    assert load.rungs["baseline"] == 0
    return reply, before["pid"], gateway.worker(champion.digest)["pid"]


@pytest.mark.parametrize("carrier", ["HOG", "NAN", "SHAPE"])
def test_a_row_without_a_number_is_answered_by_the_fallback_and_the_worker_lives(odd, carrier):
    reply, before, after = ask_for(*odd, carrier)
    assert (reply.status_code, reply.headers["x-rung"]) == (200, "fallback")
    assert before == after


@pytest.mark.parametrize("carrier", ["SEGFAULT", "SLEEP"])
def test_a_row_that_takes_the_worker_down_is_answered_by_the_fallback_and_another_worker_comes(odd, carrier):
    reply, before, after = ask_for(*odd, carrier)
    assert (reply.status_code, reply.headers["x-rung"]) == (200, "fallback")
    assert before != after


def test_a_worker_that_leaks_is_replaced_and_told(odd):
    gateway, champion = odd
    wait_until(lambda: gateway.ask().headers["x-rung"] == "champion", "the champion answers")
    before = gateway.worker(champion.digest)["pid"]
    with keep_asking(gateway) as load:
        load.wait_for(20, "champion")
        assert {gateway.ask([["LEAK", 1.0, 3]]).status_code for _ in range(LEAKS)} == {200}
        wait_until(lambda: ("resource_pressure", champion.digest) in gateway.problems(), "it is told")
        wait_until(lambda: gateway.worker(champion.digest)["pid"] not in (before, None), "another worker comes")
        gateway.wait_for_worker(champion.digest)
        wait_until(lambda: gateway.problems() == set(), "the pressure is over")
        load.wait_for(20, "champion")
    assert load.failed == []


def test_the_kernel_would_end_workers_first_and_the_router_last(odd):
    gateway, champion = odd
    worker = gateway.wait_for_worker(champion.digest)["pid"]
    router = gateway.process.pid
    scores = {pid: int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in (worker, router)}
    assert scores[worker] > scores[router]


class Bomb:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def publish_bytes(root, keys, like: ModelRef, content: bytes) -> ModelRef:
    """A model that is signed and whole, and whose file holds `content`."""
    store = ModelStore(root)
    return store.publish(
        {"model.skops": content}, store.manifest(like.digest).model_copy(update={"version": "6.6.6"}), keys
    )


def test_neither_a_pickle_nor_a_class_that_nobody_vouched_for_is_opened(root, keys, state_dir, tmp_path):
    sound, trace = publish_tiny_model(root, keys), tmp_path / "unpickled"
    pickled = publish_bytes(root, keys, sound, pickle.dumps(Bomb(trace)))
    unknown = publish_tiny_model(root, keys, version="1.0.1", estimator=OddClassifier())
    bootstrap(root, pickled, fallbacks=(unknown, sound))
    with run_gateway(root, keys, state_dir) as gateway:
        refused = {("model_corrupt", pickled.digest), ("model_corrupt", unknown.digest)}
        wait_until(lambda: refused <= gateway.problems(), "both are refused")
        gateway.wait_for_generation(1)
        gateway.wait_for_worker(sound.digest)
        reply = gateway.ask()
        assert (reply.headers["x-rung"], reply.headers["x-model-digest"]) == ("fallback", sound.digest)
        (told,) = (p["message"] for p in gateway.release()["problems"] if p["subject"] == unknown.digest)
        assert TYPE in told
    assert not trace.exists()
