"""Real workers are killed, stopped and given rows that they cannot answer, under load: no request fails."""

import json
import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from jsonschema import Draft202012Validator

from gateway.log.segments import Segments
from gateway.ports.openapi_operate import operate_document
from healing.release import Challenger, Mode, ModelRef, Reason
from releases.log import ReleaseLog, promotion_of, trial_of
from releases.signing import Keys
from tests.gateway.conftest import Receiver
from tests.gateway.load import keep_asking
from tests.gateway.running import RunningGateway, run_gateway, wait_until
from tests.published import (
    CARRIERS,
    NOW,
    bootstrap,
    corrupt,
    end_trial,
    nan_estimator,
    publish_tiny_model,
    raising_estimator,
    start_canary,
    tiny_rows,
)

pytestmark = pytest.mark.timeout(300)  # a cold fork server imports scikit-learn: 4 s idle, 80 s on a crowded machine
OPTIONS = (
    *("--batch-deadline-seconds", "1.5", "--hang-seconds", "0.5"),
    *("--deaths-max", "3", "--restart-backoff-seconds", "0.05", "--restart-backoff-max-seconds", "0.2"),
)


@dataclass
class Stage:
    """One gateway for the whole file; every test puts models of its own on duty."""

    gateway: RunningGateway
    root: Path
    keys: Keys
    receiver: Receiver
    installed: int = 0

    def publish(self, estimator: Any = None) -> ModelRef:
        self.installed += 1
        seed = self.installed
        return publish_tiny_model(self.root, self.keys, version=f"1.0.{seed}", seed=seed, estimator=estimator)

    def install(self, estimator: Any = None) -> tuple[ModelRef, ModelRef]:
        """A new champion and a new fallback below it, both warm."""
        champion, fallback = self.publish(estimator), self.publish()
        log = ReleaseLog(self.root)
        current = log.current()
        assert current is not None
        trial = trial_of(current, Challenger(champion, Mode.CANARY, 0.0), author="test", now=NOW)
        log.append(trial)
        log.append(replace(promotion_of(trial, author="test", now=NOW), fallbacks=(fallback,)))
        self.gateway.wait_for_generation(trial.generation + 1)
        for model in (champion, fallback):
            self.gateway.wait_for_worker(model.digest)
        return champion, fallback


@pytest.fixture(scope="module")
def stage(tmp_path_factory, keys, receiver):
    home = tmp_path_factory.mktemp("stage")
    root = home / "releases"
    bootstrap(root, publish_tiny_model(root, keys))
    with run_gateway(root, keys, home / "gateway", *OPTIONS, "--events-url", receiver.url) as gateway:
        yield Stage(gateway, root, keys, receiver)


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _workers(gateway: RunningGateway) -> set[int]:
    return {worker["pid"] for worker in gateway.release()["workers"] if worker["pid"]}


def _forkserver(gateway: RunningGateway) -> int:
    started = [line for line in gateway.output.read_text().splitlines() if "forkserver_started" in line]
    return int(json.loads(started[-1])["pid"])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP], ids=lambda n: n.name)
def test_a_champion_that_dies_or_hangs_costs_no_request(stage, number):
    gateway = stage.gateway
    champion, fallback = stage.install()
    before = gateway.wait_for_worker(champion.digest)
    with keep_asking(gateway) as load:
        load.wait_for(20, "champion")
        os.kill(before["pid"], number)
        load.wait_for(1, "fallback")
        after = wait_until(
            lambda: (w := gateway.worker(champion.digest))["state"] == "ready" and w["pid"] != before["pid"] and w,
            "another worker serves the champion",
        )
        load.wait_for(20, "champion")
    assert load.failed == []
    assert load.rungs["baseline"] == 0
    assert {reply.digest for reply in load.replies if reply.rung == "fallback"} == {fallback.digest}
    assert after["restarts"] == before["restarts"] + 1
    assert not alive(before["pid"])


def test_with_every_version_dead_the_baseline_answers_and_says_so(stage):
    gateway = stage.gateway
    champion, fallback = stage.install()
    for model in (champion, fallback):
        os.kill(gateway.wait_for_worker(model.digest)["pid"], signal.SIGKILL)
    reply = wait_until(
        lambda: (r := gateway.ask()).headers["x-rung"] == "baseline" and r, "the baseline answers", seconds=5
    )
    assert reply.status_code == 200
    assert reply.json() == {"predictions": [0.25]}
    assert reply.headers["x-degraded"] == "true"
    assert "x-model-digest" not in reply.headers
    gateway.wait_for_worker(champion.digest)
    gateway.wait_for_worker(fallback.digest)


def test_a_killed_fork_server_takes_no_worker_with_it_and_is_replaced(stage):
    gateway = stage.gateway
    champion, _ = stage.install()
    worker = gateway.wait_for_worker(champion.digest)
    forkserver = _forkserver(gateway)
    os.kill(forkserver, signal.SIGKILL)
    with keep_asking(gateway) as load:
        load.wait_for(20, "champion")
        assert gateway.worker(champion.digest)["pid"] == worker["pid"]
        os.kill(worker["pid"], signal.SIGKILL)
        load.wait_for(5, "fallback")
        gateway.wait_for_worker(champion.digest)
    assert load.failed == []


def test_a_champion_without_a_number_for_most_rows_is_answered_around_and_named(stage):
    gateway = stage.gateway
    champion, _ = stage.install(nan_estimator())
    assert gateway.ask([["AA", 1.0, 3]]).headers["x-rung"] == "champion"
    generation = gateway.release()["active_generation"]
    with keep_asking(gateway, rows=[[carrier, 0, hour] for carrier in CARRIERS for hour in range(24)]) as load:
        load.wait_for(30)
        wait_until(lambda: ("model_failing", champion.digest) in gateway.problems(), "the champion is named")
        load.wait_for(30)  # its breaker is open now
    assert load.failed == []
    assert load.rungs["fallback"] == len(load.replies)
    asked = {reply.request_id for reply in load.replies}
    lines = map(json.loads, gateway.operate.get("/predictions", params={"limit": 100_000}).text.splitlines())
    logged = [line for line in lines if line["request_id"] in asked and line["generation"] == generation]
    assert {line["failed"] for line in logged} == {champion.digest, ""}  # "" once its breaker kept requests away
    assert min(line["latency_ms"] for line in logged) > 0


def test_a_row_that_the_model_raises_on_takes_no_other_row_of_its_batch_down(stage):
    stage.install(raising_estimator())
    mixed = [*tiny_rows(20), ["ZZ", 1.0, 3]]
    with keep_asking(stage.gateway, clients=7) as sound, keep_asking(stage.gateway, clients=1, rows=mixed) as odd:
        odd.wait_for(3, "fallback")
    assert sound.failed == odd.failed == []
    assert sound.rungs == {"champion": len(sound.replies)}
    raised = [reply for number, reply in enumerate(odd.replies, start=1) if number % len(mixed) == len(mixed) - 1]
    assert {reply.rung for reply in raised} == {"fallback"}
    assert odd.rungs["fallback"] == len(raised)


def test_a_champion_whose_bytes_rot_is_answered_around_named_and_leaves_by_rollback(stage):
    gateway = stage.gateway
    champion, fallback = stage.install()
    with keep_asking(gateway) as load:
        load.wait_for(10, "champion")
        corrupt(stage.root, champion)
        os.kill(gateway.worker(champion.digest)["pid"], signal.SIGKILL)
        wait_until(lambda: ("model_corrupt", champion.digest) in gateway.problems(), "the problem is told")
        load.wait_for(20, "fallback")
        rollback = end_trial(stage.root, reason=Reason.ROLLBACK, champion=fallback)
        gateway.wait_for_generation(rollback.generation)
        load.wait_for(20, "champion")
    assert load.failed == []
    assert load.rungs["baseline"] == 0
    wait_until(lambda: gateway.problems() == set(), "the problem leaves with the model")
    event = wait_until(lambda: stage.receiver.about("autopilot.gateway.problem", champion), "the event arrives")
    assert event["resource"]["prefect.resource.id"] == "autopilot.pipeline.tiny"
    assert event["payload"]["cause"] == "model_corrupt"


def test_a_corrupt_champion_whose_bytes_return_serves_again_by_itself(stage):
    gateway = stage.gateway
    champion, _ = stage.install()
    original = corrupt(stage.root, champion)
    os.kill(gateway.worker(champion.digest)["pid"], signal.SIGKILL)
    wait_until(lambda: ("model_corrupt", champion.digest) in gateway.problems(), "the problem is told")
    (stage.root / "models" / champion.digest / "model.skops").write_bytes(original)
    gateway.wait_for_worker(champion.digest)
    assert gateway.problems() == set()


def test_a_restart_ends_no_problem_whose_breaker_is_still_open(stage):
    gateway = stage.gateway
    champion, _ = stage.install(nan_estimator())
    odd = [[carrier, 0, hour] for carrier in CARRIERS for hour in range(24)]
    problem = ("model_failing", champion.digest)
    with keep_asking(gateway, rows=odd):
        wait_until(lambda: problem in gateway.problems(), "the champion is named")
        probe = gateway.ask(odd[:1], x_model_digest=champion.digest)
        assert (probe.status_code, probe.json()["error_code"]) == (502, "MODEL_FAILED")  # not "ask again later"
        probe = gateway.ask([["AA", 1.0, 3]], x_model_digest=champion.digest)
        assert probe.status_code == 200  # through the open breaker
        before = gateway.worker(champion.digest)["pid"]
        assert gateway.operate.post(f"/workers/{champion.digest}/restart").status_code == 202
        wait_until(lambda: gateway.worker(champion.digest)["pid"] not in (None, before), "another worker starts")
        gateway.wait_for_worker(champion.digest)
        assert gateway.worker(champion.digest)["breaker"] == "open"
        assert problem in gateway.problems()
    gateway.ask([["AA", 1.0, 3]])
    wait_until(lambda: gateway.ask([["AA", 1.0, 3]]).headers["x-rung"] == "champion", "a probe closes the breaker")
    assert problem not in gateway.problems()


def test_a_challenger_that_is_corrupt_when_the_gateway_starts_is_aborted(root, keys, state_dir):
    bootstrap(root, publish_tiny_model(root, keys))
    challenger = publish_tiny_model(root, keys, version="0.2.0", seed=1)
    trial = start_canary(root, challenger, 0.2)
    corrupt(root, challenger)
    with run_gateway(root, keys, state_dir) as gateway:
        gateway.wait_for_generation(trial.generation + 1)
    aborted = ReleaseLog(root).current()
    assert aborted is not None
    assert (aborted.reason, aborted.author, aborted.challenger) == (Reason.ABORT, "gateway", None)


def test_a_challenger_that_is_corrupt_when_its_release_is_seen_is_aborted_and_fenced(stage):
    gateway = stage.gateway
    champion, _ = stage.install()
    challenger = stage.publish()
    corrupt(stage.root, challenger)
    trial = start_canary(stage.root, challenger, 0.2)
    with keep_asking(gateway) as load:
        gateway.wait_for_generation(trial.generation + 1)
        load.wait_for(20, "champion")
    aborted = ReleaseLog(stage.root).current()
    assert aborted is not None
    assert (aborted.reason, aborted.author, aborted.champion) == (Reason.ABORT, "gateway", champion)
    assert aborted.fence_of(challenger.digest) is not None
    assert load.failed == []
    assert load.rungs == {"champion": len(load.replies)}
    wait_until(lambda: gateway.problems() == set(), "the problem leaves with the model")


def test_a_version_that_keeps_dying_is_set_aside_until_an_operator_asks(stage):
    gateway = stage.gateway
    champion, _ = stage.install()
    for deaths in range(1, 4):
        os.kill(gateway.wait_for_worker(champion.digest)["pid"], signal.SIGKILL)
        wait_until(lambda n=deaths: gateway.worker(champion.digest)["restarts"] == n, "the death is seen")
    gateway.wait_for_worker(champion.digest, "set_aside")
    assert ("model_failing", champion.digest) in gateway.problems()
    assert gateway.ask().headers["x-rung"] == "fallback"
    assert gateway.operate.post(f"/workers/{champion.digest}/restart").status_code == 202
    restarted = gateway.wait_for_worker(champion.digest)
    assert gateway.problems() == set()
    os.kill(restarted["pid"], signal.SIGKILL)
    gateway.wait_for_worker(champion.digest, "set_aside")  # on probation, one death is enough
    assert gateway.operate.post(f"/workers/{'0' * 64}/restart").status_code == 404


def test_a_stopped_fork_server_is_replaced_and_workers_start_again(stage):
    gateway = stage.gateway
    champion, _ = stage.install()
    before = gateway.wait_for_worker(champion.digest)
    stopped = _forkserver(gateway)
    os.kill(stopped, signal.SIGSTOP)
    os.kill(before["pid"], signal.SIGKILL)
    wait_until(lambda: _forkserver(gateway) != stopped, "the fork server is replaced", seconds=40)
    wait_until(lambda: gateway.worker(champion.digest)["pid"] not in (None, before["pid"]), "another worker starts")
    gateway.wait_for_worker(champion.digest)
    assert gateway.ask().headers["x-rung"] == "champion"
    wait_until(lambda: not alive(stopped), "the stopped one has ended")


def test_a_challenger_without_numbers_loses_its_traffic_and_the_abort_is_written(stage):
    gateway = stage.gateway
    stage.install()
    challenger = stage.publish(nan_estimator())
    trial = start_canary(stage.root, challenger, 0.05)
    gateway.wait_for_generation(trial.generation)
    with keep_asking(gateway, rows=[["AA", 0, 3]]) as load:
        gateway.wait_for_generation(trial.generation + 1)
    release = ReleaseLog(stage.root).current()
    assert release is not None
    assert (release.reason, release.author, release.challenger) == (Reason.ABORT, "gateway", None)
    assert release.note.startswith("errors: challenger failed ")
    assert load.failed == []
    assert load.rungs == {"champion": len(load.replies)}  # each request of the challenger was answered by the champion
    payload = wait_until(lambda: stage.receiver.about("autopilot.canary.aborted", challenger), "the event")["payload"]
    assert payload["cause"] == "bad_candidate"
    assert payload["facts"]["challenger_errors"] == payload["facts"]["challenger_requests"] <= 10
    checks = payload["facts"]["checks"]
    assert checks["errors"]["outcome"] == "FAIL"
    assert checks["errors"]["log_e"] >= checks["errors"]["threshold_log_e"] > checks["latency"]["log_e"]


def test_a_sound_challenger_answers_its_share_and_stays(stage):
    gateway = stage.gateway
    stage.install()
    trial = start_canary(stage.root, stage.publish(), 0.2)
    gateway.wait_for_generation(trial.generation)
    with keep_asking(gateway) as load:
        load.wait_for(600)
    state = gateway.release()
    Draft202012Validator(operate_document()["components"]["schemas"]["ReleaseState"]).validate(state)
    told = state["trial"]
    assert load.failed == []
    assert (told["mode"], told["verdict"], told["reason"]) == ("canary", "INCONCLUSIVE", None)
    assert {check["check"] for check in told["checks"]} == {"errors", "latency", "predictions", "disagreement"}
    for arm in ("challenger", "champion"):
        assert (told[arm]["requests"], told[arm]["errors"]) == (load.rungs[arm], 0)
        assert told[arm]["latency_p50_ms"] > 0
    assert 0.1 < load.rungs["challenger"] / len(load.replies) < 0.3
    same_client = {gateway.ask(x_route_key="one client").headers["x-rung"] for _ in range(20)}
    assert len(same_client) == 1
    end_trial(stage.root, reason=Reason.ABORT, champion=trial.champion, fallbacks=trial.fallbacks)


def test_killed_at_any_moment_every_answered_request_is_logged_once_and_no_worker_survives(root, keys, state_dir):
    bootstrap(root, publish_tiny_model(root, keys))
    acknowledged: list[str] = []
    for _ in range(2):
        with run_gateway(root, keys, state_dir) as gateway:
            wait_until(lambda g=gateway: g.predict.get("/ping").status_code == 200, "it serves")
            with keep_asking(gateway, clients=8) as load:
                load.wait_for(150)
                workers = _workers(gateway)
                gateway.process.send_signal(signal.SIGKILL)
                gateway.process.wait()
            acknowledged += [reply.request_id for reply in load.replies if reply.status == 200]
            wait_until(lambda pids=workers: not any(map(alive, pids)), "the workers die with it")
    logged = [entry[1] for entry in Segments(state_dir, "predictions", 1).read(0, 1_000_000)]
    assert len(acknowledged) >= 2 * 150
    assert set(acknowledged) <= set(logged)
    assert len(logged) == len(set(logged))


def test_a_full_disk_under_the_log_of_the_gateway_itself_fails_no_request_and_no_operator(root, keys, state_dir):
    """Each line that it logs raised in the handler that logged it, and the healer saw 500 in place of the problem."""
    champion, fallback = (publish_tiny_model(root, keys, version=f"1.0.{seed}", seed=seed) for seed in (1, 2))
    bootstrap(root, champion, fallbacks=(fallback,))
    with run_gateway(root, keys, state_dir) as gateway:
        gateway.wait_for_worker(champion.digest)
        gateway.wait_for_worker(fallback.digest)
        psutil.Process(gateway.process.pid).rlimit(psutil.RLIMIT_FSIZE, (1, 1))
        corrupt(root, champion)
        for _ in range(20):
            answer = gateway.ask()
            assert answer.status_code == 200, answer.text
            assert gateway.operate.get("/release").status_code == 200
            assert gateway.operate.get("/metrics").status_code == 200
        wait_until(lambda: "disk_full" in {code for code, _ in gateway.problems()}, "the full disk is a problem")
