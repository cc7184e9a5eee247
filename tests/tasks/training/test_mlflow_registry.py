"""An MLflow that does not answer is reported as unavailable, without its password."""

import pytest

from healing.errors import RegistryUnavailable
from tasks.training.mlflow_registry import RETRIES_MAX, Registry, find_registered, registry_client
from tests.toy import PIPELINE

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint:UserWarning")  # MLflow about its own types, on import


def test_a_file_that_is_not_a_database_is_unavailable(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"not a database " * 100)
    with pytest.raises(RegistryUnavailable, match=r"expected MLflow at sqlite:.* to answer, found"):
        find_registered(Registry(f"sqlite:///{tmp_path}/mlflow.db", PIPELINE, tmp_path), "0" * 64)


def test_an_unreachable_server_is_named_without_its_password(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryUnavailable, match=r"http://127\.0\.0\.1:1 ") as raised:
        find_registered(Registry("http://someone:secret@127.0.0.1:1", PIPELINE, tmp_path), "0" * 64)
    assert "secret@" not in str(raised.value)


def test_a_request_to_a_server_that_is_away_is_not_repeated_for_minutes(monkeypatch):
    from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES as RETRIES

    monkeypatch.setenv(RETRIES.name, "7")  # so that the variable is as it was after the test
    monkeypatch.delenv(RETRIES.name)
    with registry_client("http://127.0.0.1:9"):
        assert RETRIES.get() == RETRIES_MAX
