"""The lab around a stack: which links there are, and who uses them."""

import dataclasses
import json
from pathlib import Path

import pytest
import yaml

from chaos.staging.target import read_target
from cli.stack.ports import choose_ports
from cli.stack.services import PORTS, Stack
from cli.stack.staging import LAB_PORTS, Staging, target_file
from releases.release_root import ObjectRoot

BARE = Staging(rate_per_second=5, ledger_url="", tracking_uri="")
SERVERS = Staging(
    rate_per_second=5,
    ledger_url="postgresql+pg8000://me:hunter2@db.example/ledger",
    tracking_uri="http://mlflow.example:5000/sub",
)


@pytest.fixture
def ports():
    return choose_ports((*PORTS, *LAB_PORTS), {}, {})


@pytest.fixture
def stack(tmp_path, ports):
    home = tmp_path / "home"
    home.mkdir()
    upstreams = BARE.upstreams(ports, feeds=False)
    return Stack(
        home=home,
        pipeline="orders",
        pipelines_dir=Path("pipelines"),
        feed_module=None,
        tracking_uri="sqlite:///mlflow.db",
        keys_dir=home / "keys",
        release_root=home / "releases" / "orders",
        gateway_dir=home / "gateway",
        ports=ports,
        upstreams=upstreams,
        link_environment=BARE.environment(ports, upstreams),
    )


def test_each_dependency_that_is_a_server_has_a_link(ports):
    assert set(BARE.upstreams(ports, feeds=False)) == {"prefect", "gateway", "operate", "alert"}
    assert set(BARE.upstreams(ports, feeds=True)) == {"prefect", "gateway", "operate", "alert", "feed", "mirror"}
    upstreams = SERVERS.upstreams(ports, feeds=False)
    assert (upstreams["mlflow"], upstreams["ledger"]) == ("mlflow.example:5000", "db.example:5432")


def test_servers_are_reached_through_their_links(ports):
    environment = SERVERS.environment(ports, SERVERS.upstreams(ports, feeds=False))
    assert environment["AUTOPILOT_MLFLOW_TRACKING_URI"] == f"http://127.0.0.1:{ports['link_mlflow']}/sub"
    ledger = environment["AUTOPILOT_LEDGER_URL"]
    assert ledger == f"postgresql+pg8000://me:hunter2@127.0.0.1:{ports['link_ledger']}/ledger"


def test_services_of_the_stack_use_the_links_and_clients_the_services_themselves(stack, ports):
    environment = stack.environment()
    assert environment["PREFECT_API_URL"] == f"http://127.0.0.1:{ports['link_prefect']}/api"
    assert environment["AUTOPILOT_OPERATE_URL"] == f"http://127.0.0.1:{ports['link_operate']}"
    assert json.loads(environment["AUTOPILOT_ALERT_URLS"]) == [f"json://127.0.0.1:{ports['link_alert']}"]
    assert stack.addresses()["gateway"] == stack.url("gateway")
    assert stack.addresses()["proxy"] == stack.url("proxy")
    assert "proxy" not in dataclasses.replace(stack, upstreams={}).addresses()
    root = ObjectRoot("s3://bucket/releases/toy", Path("here"))
    assert dataclasses.replace(stack, release_root=root).addresses()["release_root"] == root.address


def test_the_stack_starts_behind_the_proxy_and_is_a_target_that_allows_everything(stack, ports):
    services = BARE.around(stack, stack.services(Path("key"), "mark", {"gateway": 3, "operate": 4}))
    names = [each.name for each in services]
    assert {"proxy", "alerts", "oracle", "traffic", "gateway", "healer", "prefect"} <= set(names)
    for each in services:
        if each.name in ("gateway", "healer", "worker", "prefect"):
            assert "proxy" in each.after
    links = {each["name"]: each for each in json.loads((stack.home / "lab" / "links.json").read_text())}
    assert links["prefect"]["listen"] == f"127.0.0.1:{ports['link_prefect']}"
    assert links["prefect"]["upstream"] == f"127.0.0.1:{ports['prefect']}"
    target = read_target(target_file(stack.home))
    assert (target.home, target.pipeline) == (stack.home, "orders")
    assert target.allow.allows("gateway-kill", "signal")
    assert target.allow.allows("gateway-kill", "ablation")
    assert yaml.safe_load(target_file(stack.home).read_text())["pipelines_dir"].endswith("pipelines")


def test_the_target_file_names_a_ledger_on_a_server_without_its_password(stack):
    lab = dataclasses.replace(stack, release_root=stack.home)
    SERVERS.around(lab, ())
    text = target_file(stack.home).read_text()
    assert "hunter2" not in text
    target = read_target(target_file(stack.home))
    assert target.ledger == "postgresql+pg8000://me@db.example/ledger"
    assert target.credentials["ledger"].env == "AUTOPILOT_LAB_LEDGER_PASSWORD"
