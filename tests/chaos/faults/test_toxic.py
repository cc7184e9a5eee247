import threading

import httpx
import pytest
import uvicorn

from chaos.faults import alert
from chaos.faults.toxic import prepare
from chaos.lab import Lab
from chaos.proxy.api import ProxyApi
from tests.chaos.gateway_double import gateway_double, home_of
from tests.chaos.waiting import wait_for


@pytest.fixture
def lab(tmp_path):
    server = uvicorn.Server(uvicorn.Config(ProxyApi().application(), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    with gateway_double() as (_, url):
        wait_for(lambda: server.started, "the proxy listens")
        port = server.servers[0].sockets[0].getsockname()[1]
        api = f"http://127.0.0.1:{port}"
        for link in ("operate", "alert"):
            document = {"name": link, "upstream": url.removeprefix("http://")}
            httpx.post(f"{api}/proxies", json=document, trust_env=False).raise_for_status()
        yield Lab.open(home_of(tmp_path / "home", url, proxy=api), "flights", tmp_path / "home" / "drills")
        server.should_exit = True
        thread.join(30)


@pytest.mark.parametrize(
    ("toxic", "attributes"),
    [
        ("down", {}),
        ("latency", {"latency": 300}),
        ("timeout", {"timeout": 0}),
        ("reset_peer", {"timeout": 0}),
        ("limit_data", {"bytes": 0}),
    ],
)
def test_a_client_of_the_link_feels_the_fault_until_the_undo(lab, toxic, attributes):
    fault = prepare(lab, link="operate", toxic=toxic, attributes=attributes)
    assert not fault.active()
    fault.inject()
    assert fault.active()
    fault.undo()
    fault.undo()
    assert not fault.active()


@pytest.mark.parametrize("change", ["dead", "hanging"])
def test_who_sends_a_message_feels_a_dead_channel_until_the_undo(lab, change):
    fault = alert.prepare(lab, change)
    assert not fault.active()
    fault.inject()
    assert fault.active()
    fault.undo()
    assert not fault.active()


def test_an_unknown_link_names_those_there_are(lab):
    with pytest.raises(LookupError, match="among alert, operate, found 'ledger'"):
        prepare(lab, link="ledger", toxic="down")


def test_a_stack_without_a_proxy_is_refused(tmp_path):
    lab = Lab.open(home_of(tmp_path / "home", "http://127.0.0.1:9"), "flights", tmp_path)
    with pytest.raises(LookupError, match="fault proxy"):
        prepare(lab, link="operate", toxic="down")
