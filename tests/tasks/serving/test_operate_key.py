"""The control plane operates a gateway with keys: it reads, drains, restarts and probes with an operate key."""

import json

import pytest

from healing.errors import GatewayRefused
from healing.verdict import Outcome
from releases.signing import ensure_keys
from releases.store import ModelStore
from tasks.serving.gateway_client import probe_model, read_gateway_once, restart_worker
from tasks.serving.prediction_log import drain_predictions
from tests.gateway.running import run_gateway, wait_until
from tests.published import bootstrap, publish_tiny_model

PREDICT, OPERATE = "predict-key-0123456789", "operate-key-0123456789"


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """A gateway that asks for keys, its release root and the model that it serves."""
    home = tmp_path_factory.mktemp("locked")
    (home / "keys.json").write_text(json.dumps({"predict": [PREDICT], "operate": [OPERATE]}))
    keys, root = ensure_keys(home / "keys"), home / "releases"
    champion = publish_tiny_model(root, keys)
    bootstrap(root, champion)
    with run_gateway(root, keys, home / "gateway", "--keys-file", str(home / "keys.json")) as gateway:
        wait_until(lambda: gateway.predict.get("/ping").status_code == 200, "it serves")
        yield gateway, root, champion


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home without a key."""
    monkeypatch.delenv("AUTOPILOT_OPERATE_KEY", raising=False)
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path))
    return tmp_path


def addresses(gateway):
    return str(gateway.predict.base_url).rstrip("/"), str(gateway.operate.base_url).rstrip("/")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("key", [None, PREDICT, "another-key-0123456789"])
def test_without_an_operate_key_the_gateway_is_not_called_dead_and_no_model_fails(locked, home, monkeypatch, key):
    gateway, root, champion = locked
    predict, operate = addresses(gateway)
    if key is not None:
        monkeypatch.setenv("AUTOPILOT_OPERATE_KEY", key)
    calls = (
        lambda: read_gateway_once(operate),
        lambda: restart_worker(operate, champion.digest),
        lambda: probe_model(predict, champion.digest, ModelStore(root).manifest(champion.digest)),
        lambda: drain_predictions(operate, home / "lake"),
    )
    for call in calls:
        with pytest.raises(GatewayRefused, match="AUTOPILOT_OPERATE_KEY") as refusal:
            call()
        assert key is None or key not in str(refusal.value)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("place", ["environment", "home"])
def test_with_an_operate_key_it_reads_probes_and_drains(locked, home, monkeypatch, place):
    gateway, root, champion = locked
    predict, operate = addresses(gateway)
    if place == "environment":
        monkeypatch.setenv("AUTOPILOT_OPERATE_KEY", OPERATE)
    else:
        (home / "keys").mkdir()
        (home / "keys" / "gateway-operate.key").write_text(f"{OPERATE}\n")
    assert gateway.ask(x_api_key=PREDICT).status_code == 200
    assert read_gateway_once(operate).active_generation == 1
    manifest = ModelStore(root).manifest(champion.digest)
    assert probe_model(predict, champion.digest, manifest).outcome is Outcome.PASS
    wait_until(lambda: drain_predictions(operate, home / "lake").rows, "the answer is in the lake")
