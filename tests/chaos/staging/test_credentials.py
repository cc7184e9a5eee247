import base64
import json

import pytest

from chaos.experiment_files import WrongUsage
from chaos.runner import run_drill
from chaos.staging.credentials import authorization, check_credentials, ledger_password, target_environment
from chaos.staging.target import TARGET_VARIABLE, WrongTarget, active_target

TARGET = """
gateway: http://gateway.example:8080
prefect: https://prefect.example/api
ledger: postgresql://me@db.example/ledger
credentials:
  gateway: {env: GATEWAY_TOKEN}
  prefect: {file: prefect.secret, scheme: basic}
  ledger: {env: LEDGER_PASSWORD}
"""


@pytest.fixture
def target(tmp_path, monkeypatch):
    (tmp_path / "staging.yaml").write_text(TARGET)
    (tmp_path / "prefect.secret").write_text("me:hunter2\n")
    monkeypatch.setenv(TARGET_VARIABLE, str(tmp_path / "staging.yaml"))
    monkeypatch.setenv("GATEWAY_TOKEN", "t0ken")
    monkeypatch.setenv("LEDGER_PASSWORD", "s3cret")
    return tmp_path


@pytest.mark.usefixtures("target")
def test_each_service_gets_its_own_secret_and_another_address_gets_none():
    assert authorization("http://gateway.example:8080/invocations") == {"Authorization": "Bearer t0ken"}
    basic = base64.b64encode(b"me:hunter2").decode()
    assert authorization("https://prefect.example/api/health") == {"Authorization": f"Basic {basic}"}
    assert authorization("http://gateway.example:8081/invocations") == {}
    assert authorization("https://gateway.example:8080/") == {}
    assert ledger_password() == "s3cret"


def test_a_process_with_its_own_environment_gets_the_names_and_nothing_else(target):
    environment = target_environment()
    assert set(environment) == {TARGET_VARIABLE, "GATEWAY_TOKEN", "LEDGER_PASSWORD"}
    assert environment[TARGET_VARIABLE] == str(target / "staging.yaml")


def test_a_secret_that_is_not_there_is_named_by_its_place(target, monkeypatch):
    monkeypatch.delenv("GATEWAY_TOKEN")
    with pytest.raises(WrongTarget, match="environment variable GATEWAY_TOKEN"):
        check_credentials(active_target())
    monkeypatch.setenv("GATEWAY_TOKEN", "t0ken")
    (target / "prefect.secret").unlink()
    with pytest.raises(WrongTarget, match=r"prefect\.secret, found No such file"):
        check_credentials(active_target())


@pytest.fixture
def keyed_home(tmp_path, monkeypatch):
    """The home of a stack whose gateway has keys."""
    monkeypatch.delenv(TARGET_VARIABLE, raising=False)
    monkeypatch.delenv("AUTOPILOT_OPERATE_KEY", raising=False)
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path))
    addresses = {"gateway": "http://127.0.0.1:8080", "operate": "http://127.0.0.1:8081"}
    (tmp_path / "addresses.json").write_text(json.dumps(addresses))
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "gateway-operate.key").write_text("stack-key\n")
    return tmp_path


def test_the_gateway_of_a_local_stack_gets_the_key_of_the_stack(keyed_home, monkeypatch):
    for address in ("http://127.0.0.1:8080/invocations", "http://127.0.0.1:8081/release"):
        assert authorization(address) == {"Authorization": "Bearer stack-key"}
    assert authorization("http://127.0.0.1:4200/api/health") == {}
    assert target_environment() == {"AUTOPILOT_HOME": str(keyed_home)}
    monkeypatch.setenv("AUTOPILOT_OPERATE_KEY", "a-key-of-the-shell")
    assert authorization("http://127.0.0.1:8081/release") == {"Authorization": "Bearer a-key-of-the-shell"}
    assert target_environment()["AUTOPILOT_OPERATE_KEY"] == "a-key-of-the-shell"


def test_a_target_with_a_home_takes_the_key_of_its_stack(keyed_home, monkeypatch):
    (keyed_home / "staging.yaml").write_text(f"home: {keyed_home}\n")
    monkeypatch.setenv(TARGET_VARIABLE, str(keyed_home / "staging.yaml"))
    monkeypatch.setenv("AUTOPILOT_HOME", str(keyed_home / "elsewhere"))
    assert authorization("http://127.0.0.1:8081/release") == {"Authorization": "Bearer stack-key"}


def test_without_a_target_nothing_is_authorised(tmp_path, monkeypatch):
    monkeypatch.delenv(TARGET_VARIABLE, raising=False)
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path))
    assert authorization("http://gateway.example:8080") == {}
    assert ledger_password() is None


@pytest.mark.usefixtures("target")
def test_a_drill_whose_secret_is_not_there_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.delenv("GATEWAY_TOKEN")
    with pytest.raises(WrongUsage, match="environment variable GATEWAY_TOKEN"):
        run_drill("noop", tmp_path / "records", pipeline="flights")
    assert not (tmp_path / "records").exists()
