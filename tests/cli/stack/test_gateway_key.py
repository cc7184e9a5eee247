"""A stack whose gateway has keys gives its own control plane one."""

import stat

import pytest

from cli.stack.gateway_key import ensure_gateway_key, gateway_key_environment
from gateway.settings import parse_settings
from tasks.config.settings import Settings

PREDICT, OPERATE = "predict-key-0123456789", "operate-key-0123456789"
GATEWAY = ("--pipeline", "p", "--release-root", "r", "--public-key", "k", "--state-dir", "s")


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for kind in ("PREDICT_KEYS", "FEEDBACK_KEYS", "OPERATE_KEYS", "KEYS_FILE"):
        monkeypatch.delenv(f"AUTOPILOT_GATEWAY_{kind}", raising=False)
    monkeypatch.delenv("AUTOPILOT_OPERATE_KEY", raising=False)


def accepted(keys_dir, monkeypatch):
    """The operate keys that the gateway of the stack accepts."""
    for name, value in gateway_key_environment(keys_dir).items():
        monkeypatch.setenv(name, value)
    return [key.get_secret_value() for key in parse_settings(GATEWAY).operate_keys]


def test_a_gateway_without_keys_gets_none(tmp_path):
    settings = Settings(home=tmp_path)
    ensure_gateway_key(settings.keys_dir)
    assert gateway_key_environment(settings.keys_dir) == {}
    assert settings.gateway_key is None


@pytest.mark.parametrize("kind", ["PREDICT_KEYS", "FEEDBACK_KEYS", "OPERATE_KEYS"])
def test_the_key_is_made_once_and_accepted_beside_those_of_the_user(tmp_path, monkeypatch, kind):
    settings = Settings(home=tmp_path)
    monkeypatch.setenv(f"AUTOPILOT_GATEWAY_{kind}", PREDICT)
    ensure_gateway_key(settings.keys_dir)
    own = settings.gateway_key
    ensure_gateway_key(settings.keys_dir)
    assert settings.gateway_key == own
    assert stat.S_IMODE(settings.gateway_key_file.stat().st_mode) == 0o600
    users = [PREDICT] if kind == "OPERATE_KEYS" else []
    assert accepted(settings.keys_dir, monkeypatch) == [*users, own]


def test_the_key_of_the_environment_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOPILOT_GATEWAY_PREDICT_KEYS", PREDICT)
    monkeypatch.setenv("AUTOPILOT_OPERATE_KEY", OPERATE)
    settings = Settings(home=tmp_path)
    ensure_gateway_key(settings.keys_dir)
    assert not settings.gateway_key_file.exists()
    assert settings.gateway_key == OPERATE
    assert accepted(settings.keys_dir, monkeypatch) == [OPERATE]
