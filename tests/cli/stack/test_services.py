"""Environment, databases and health checks of the services."""

import dataclasses
import itertools
from datetime import timedelta
from pathlib import Path

import pytest

from chaos.compose.drill import read_catalogue
from cli.stack.ports import LOOPBACK, choose_ports
from cli.stack.run import describe
from cli.stack.services import DATABASE_VARIABLES, GRPC_VARIABLE, LOG_KEY_FILE, PORTS, SHORT_HORIZON, Stack
from gateway.settings import parse_settings
from healer.status_file import metrics_file, snapshot_file
from healing.errors import ConfigError
from tasks.config.log_section import LogSection
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import Settings
from tests.prefect_database import KEPT, names_of_runs, url_of


@pytest.fixture
def stack(tmp_path):
    home = tmp_path / "home"
    return Stack(
        home=home,
        pipeline="flights",
        pipelines_dir=Path("pipelines"),
        feed_module=None,
        tracking_uri="",
        keys_dir=home / "keys",
        release_root=home / "releases",
        gateway_dir=home / "gateway",
        ports=choose_ports(PORTS, {}, {}),
    )


def service(stack, name):
    [found] = [
        each for each in stack.services(Path("key.pub"), "mark", {"gateway": 3, "operate": 4}) if each.name == name
    ]
    return found


def test_the_gateway_reads_the_files_that_the_healer_writes(stack):
    command = service(stack, "gateway").command
    options = dict(itertools.pairwise(command))
    assert options["--control-plane-file"] == str(snapshot_file(stack.home, "flights"))
    assert options["--control-plane-metrics-file"] == str(metrics_file(stack.home, "flights"))


def test_the_gateway_gets_what_the_pipeline_leaves_out_of_the_log(stack, monkeypatch):
    assert not any(word.startswith("--log-") for word in service(stack, "gateway").command)
    stack = dataclasses.replace(stack, log=LogSection(drop=("tail, old",), hash=("carrier",), share=0.5))
    command = service(stack, "gateway").command
    settings = parse_settings(command[command.index("gateway") + 1 :])
    assert (settings.log_drop, settings.log_hash, settings.log_share) == ({"tail, old"}, {"carrier"}, 0.5)
    assert settings.log_key_file == stack.keys_dir / LOG_KEY_FILE
    monkeypatch.setenv("AUTOPILOT_GATEWAY_LOG_KEY_FILE", "shared.key")
    assert "--log-key-file" not in service(stack, "gateway").command


def test_the_addresses_of_a_gateway_with_tls_say_so(stack, monkeypatch):
    assert stack.addresses()["gateway"].startswith("http://")
    monkeypatch.setenv("AUTOPILOT_GATEWAY_TLS_CERT_FILE", "cert.pem")
    assert stack.addresses()["gateway"] == f"https://{LOOPBACK}:{stack.ports['gateway']}"
    assert stack.addresses()["operate"] == f"https://{LOOPBACK}:{stack.ports['operate']}"
    assert stack.addresses()["prefect"].startswith("http://")


def test_a_gateway_and_its_standby_inherit_the_socket_of_grpc(stack):
    [without] = [each for each in stack.services(Path("k"), "mark", {"gateway": 3, "operate": 4}) if each.standby]
    assert "--grpc-fd" not in without.command
    assert "grpc" not in stack.addresses()
    stack = dataclasses.replace(stack, ports={**stack.ports, "grpc": 5001})
    sockets = {"gateway": 3, "operate": 4, "grpc": 5}
    [gateway] = [each for each in stack.services(Path("k"), "mark", sockets) if each.standby]
    assert dict(itertools.pairwise(gateway.command))["--grpc-fd"] == "5"
    assert gateway.descriptors == (3, 4, 5)
    assert stack.addresses()["grpc"] == f"{LOOPBACK}:5001"


@pytest.mark.parametrize(("text", "ports"), [(None, set()), ("0", {"grpc"}), ("70000", None), ("on", None)])
def test_a_port_for_grpc_is_chosen_if_the_environment_asks_for_it(tmp_path, monkeypatch, text, ports):
    monkeypatch.delenv(GRPC_VARIABLE, raising=False)
    if text is not None:
        monkeypatch.setenv(GRPC_VARIABLE, text)
    config = load_pipeline("flights", Path("pipelines"))
    if ports is None:
        with pytest.raises(ConfigError, match=f"{GRPC_VARIABLE}.*{text}"):
            describe(Settings(home=tmp_path), config, {}, None)
    else:
        assert set(describe(Settings(home=tmp_path), config, {}, None).ports) == {*PORTS, *ports}


def test_the_gateway_traces_and_logs_as_the_control_plane_does_unless_it_has_its_own_settings(stack, monkeypatch):
    monkeypatch.setenv("AUTOPILOT_TRACES_URL", "http://user:secret@127.0.0.1:4318")
    monkeypatch.setenv("AUTOPILOT_LOG_LEVEL", "debug")
    monkeypatch.setenv("AUTOPILOT_GATEWAY_LOG_LEVEL", "error")
    gateway = service(stack, "gateway")
    for name, value in gateway.environment.items():
        monkeypatch.setenv(name, value)
    settings = parse_settings(gateway.command[gateway.command.index("gateway") + 1 :])
    assert settings.traces_url == "http://user:secret@127.0.0.1:4318/v1/traces"
    assert settings.log_level == "error"
    assert not any("secret" in word for word in gateway.command)  # command lines are visible


def test_prefect_takes_the_short_horizon(monkeypatch):
    from prefect.settings.models.root import Settings

    for name, value in SHORT_HORIZON.items():
        monkeypatch.setenv(name, value)
    scheduler = Settings().server.services.scheduler
    assert (scheduler.min_scheduled_time, scheduler.min_runs, scheduler.max_runs) == (timedelta(minutes=2), 3, 5)


def test_server_gets_the_short_horizon(stack):
    assert service(stack, "prefect").environment.items() >= SHORT_HORIZON.items()


def test_prefects_database_is_a_file_in_the_home(stack, monkeypatch):
    for name in DATABASE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert stack.prefect_database == f"sqlite+aiosqlite:///{stack.home}/prefect/prefect.db"


@pytest.mark.parametrize("variable", DATABASE_VARIABLES)
def test_a_database_of_the_users_own_is_handed_to_the_server_and_cleaned(
    stack, monkeypatch, prefect_database, variable
):
    for name in DATABASE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, url_of(prefect_database))
    server = service(stack, "prefect")
    assert server.environment[variable] == url_of(prefect_database)
    server.prepare()
    assert names_of_runs(prefect_database) == list(KEPT)


def _stops_a_feed(drill):
    return any(fault.arguments.get("process") in ("feed", "mirror") for fault in drill.faults)


def test_a_feed_that_a_drill_stops_is_not_restarted_during_the_drill(stack):
    stack = dataclasses.replace(stack, feed_module="pipelines.flights.feed")
    bounds = {
        each.name: each.silent_seconds_max
        for each in stack.services(Path("key.pub"), "mark", {"gateway": 3, "operate": 4})
    }
    stopped = [drill.fault_seconds_max for drill in read_catalogue() if _stops_a_feed(drill)]
    assert bounds["feed"] == bounds["mirror"] > max(stopped)
    assert bounds["gateway"] < bounds["prefect"] < min(stopped)
