"""The drills against a real gateway with real models and a real ledger, without Prefect: seconds, not minutes."""

import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import yaml

from chaos import runner
from chaos.runner import run_drill
from chaos.verdict import Exit
from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy, Status
from releases.signing import ensure_keys
from tasks.ledger.store import Ledger
from tasks.rollout.rollback import RollbackOrder, roll_back
from tests.gateway.running import run_gateway, wait_until
from tests.published import PIPELINE, bootstrap, publish_tiny_model

pytestmark = [pytest.mark.drill, pytest.mark.timeout(300)]  # a gateway and a whole drill each
NOWHERE = "http://127.0.0.1:9"  # the discard port: nothing here asks Prefect or a source


@pytest.fixture(autouse=True)
def short_experiments(tmp_path, monkeypatch):
    """Shorter waits than for the full stack."""
    directory = tmp_path / "experiments"
    directory.mkdir()
    for path in runner.EXPERIMENTS.glob("*.yaml"):
        content = yaml.safe_load(path.read_text())
        for step in content["method"]:
            arguments = step["provider"].get("arguments", {})
            shorter = {"requests_max": 600, "seconds_max": 30, "deadline_seconds": 12}
            arguments.update({key: value for key, value in shorter.items() if key in arguments})
        (directory / path.name).write_text(yaml.safe_dump(content))
    monkeypatch.setattr(runner, "EXPERIMENTS", directory)


@pytest.fixture
def stack(tmp_path):
    """A home with a champion, one fallback and a gateway that serves them."""
    home = tmp_path / "home"
    root = home / "releases" / PIPELINE
    keys = ensure_keys(home / "keys")
    champion = publish_tiny_model(root, keys, version="0.2.0", seed=1)
    fallback = publish_tiny_model(root, keys, version="0.1.0", seed=0)
    bootstrap(root, champion, fallbacks=(fallback,))
    (home / "gateway").mkdir()
    ledger = Ledger(f"sqlite:///{home / 'ledger.db'}")
    with run_gateway(root, keys, home / "gateway" / PIPELINE) as gateway:
        addresses = {"gateway": str(gateway.predict.base_url), "operate": str(gateway.operate.base_url)}
        others = dict.fromkeys(("prefect", "feed", "mirror"), NOWHERE)
        (home / "addresses.json").write_text(json.dumps({**addresses, **others}))
        wait_until(lambda: _serves(gateway, 1, {champion.digest, fallback.digest}), "both models are warm", 120.0)
        yield home, gateway, ledger, champion


def _serves(gateway, generation, digests):
    state = gateway.release()
    ready = {worker["digest"] for worker in state["workers"] if worker["state"] == "ready"}
    return state["active_generation"] == generation and ready == digests


@contextmanager
def healer(home, gateway, ledger):
    """Heal a corrupt champion as the flow does, without Prefect."""
    done = threading.Event()

    def heal():
        while not done.wait(0.2):
            for code, digest in gateway.problems():
                if digest != gateway.release()["release"]["champion"]["digest"]:
                    continue
                seen = Evidence(PIPELINE, Cause(code), digest, "gateway", datetime.now(UTC))
                incident = ledger.record_evidence(seen, status=Status.DIAGNOSED)
                attempt = ledger.start_attempt(incident.id, Remedy.ROLLBACK)
                root = home / "releases" / PIPELINE
                order = RollbackOrder(PIPELINE, "heal", broken=frozenset({digest}))
                roll_back(root, ensure_keys(home / "keys").public, order)
                ledger.finish_attempt(incident.id, attempt.number, AttemptOutcome.SUCCEEDED)
                ledger.set_status(incident.id, Status.RECOVERED)
                return

    thread = threading.Thread(target=heal)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_a_corrupt_champion_loses_no_request_and_is_rolled_back(stack):
    home, gateway, ledger, champion = stack
    with healer(home, gateway, ledger):
        outcome = run_drill("model-corruption", home, pipeline=PIPELINE)
    assert outcome.exit is Exit.RECOVERED, outcome.reason
    assert outcome.requests.degraded > 0
    assert outcome.requests.failed == outcome.requests.wrong == 0
    assert outcome.durations.mitigate[1] <= outcome.durations.recover[1]
    assert gateway.release()["release"]["champion"]["digest"] != champion.digest


def test_without_the_rollback_the_fallback_answers_and_the_drill_fails(stack):
    home, gateway, _, champion = stack
    outcome = run_drill("model-corruption", home, pipeline=PIPELINE)
    assert outcome.exit is Exit.NOT_RECOVERED, outcome.reason
    assert outcome.requests.failed == outcome.requests.wrong == 0
    assert outcome.durations.mitigate is not None
    assert outcome.durations.recover is None
    assert gateway.release()["release"]["champion"]["digest"] == champion.digest


def test_noop_finds_every_request_answered_in_full(stack):
    home, *_ = stack
    outcome = run_drill("noop", home, pipeline=PIPELINE)
    assert outcome.exit is Exit.RECOVERED, outcome.reason
    assert outcome.requests.good == outcome.requests.total
