"""Settings say where everything is, and which variable is wrong."""

import json

import pytest

from healing.errors import ConfigError
from tasks.config.settings import Settings, load_settings


def test_state_stays_under_home(tmp_path):
    settings = Settings(home=tmp_path)
    assert settings.ledger_dsn == f"sqlite:///{tmp_path}/ledger.db"
    assert settings.tracking_uri == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    for path in (settings.lake_root("f"), settings.release_root("f"), settings.quarantine_root("f"), settings.keys_dir):
        assert path.is_relative_to(tmp_path)


def test_a_relative_home_is_fixed_where_the_command_starts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = Settings(home="var")
    monkeypatch.chdir("/")
    assert settings.home == tmp_path / "var"


def test_addresses_come_from_the_running_stack_and_settings_win(tmp_path):
    (tmp_path / "addresses.json").write_text(json.dumps({"gateway": "http://a", "operate": "http://b"}))
    addresses = Settings(home=tmp_path, gateway_url="http://mine").addresses()
    assert (addresses.gateway, addresses.operate) == ("http://mine", "http://b")
    with pytest.raises(ConfigError, match="AUTOPILOT_FEED_URL"):
        addresses.require("feed")


@pytest.mark.parametrize("setting", ["prefect_api_url", "gateway_url", "operate_url"])
def test_the_address_of_a_service_has_a_scheme_and_no_slash_at_its_end(tmp_path, setting):
    """`http://host:8081/` made the healer ask `//release`, get 404, and call the gateway dead."""
    settings = Settings(home=tmp_path, **{setting: "https://host:8081/base/"})
    assert getattr(settings, setting) == "https://host:8081/base"
    assert getattr(Settings(home=tmp_path, **{setting: None}), setting) is None
    for wrong in ("host:8081", "/host", "ftp://host", "http://"):
        with pytest.raises(ValueError, match="expected http://HOST:PORT or https://HOST"):
            Settings(home=tmp_path, **{setting: wrong})


def test_broken_addresses_name_the_file(tmp_path):
    (tmp_path / "addresses.json").write_text("{")
    with pytest.raises(ConfigError, match=r"addresses\.json"):
        Settings(home=tmp_path).addresses()


def test_a_wrong_variable_is_named(monkeypatch):
    monkeypatch.setenv("AUTOPILOT_DISPATCH", "by pigeon")
    with pytest.raises(ConfigError, match="AUTOPILOT_DISPATCH"):
        load_settings()


def test_secrets_do_not_show(tmp_path):
    settings = Settings(home=tmp_path, ledger_url="postgresql://u:hunter2@h/d", alert_urls=("slack://hunter2",))
    assert "hunter2" not in repr(settings)
    assert settings.ledger_dsn.endswith("hunter2@h/d")
