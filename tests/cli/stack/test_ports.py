"""Ports: the wanted one or a refusal, the remembered one while it is free, and no port twice."""

import socket

import pytest

from cli.stack.ports import LOOPBACK, choose_ports, held, is_free
from healing.errors import ConfigError


@pytest.fixture
def taken_port():
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_wanted_port_that_is_taken_is_refused(taken_port):
    with pytest.raises(ConfigError, match=f"port {taken_port} for gateway is taken"):
        choose_ports(["gateway"], wanted={"gateway": taken_port}, remembered={})


def test_remembered_port_returns_while_it_is_free_and_gives_way_when_not(taken_port):
    [free] = choose_ports(["feed"], {}, {}).values()
    assert choose_ports(["feed"], {}, {"feed": free}) == {"feed": free}
    assert choose_ports(["feed"], {}, {"feed": taken_port}) != {"feed": taken_port}


def test_no_port_is_given_twice(taken_port):
    names = [f"service-{number}" for number in range(40)]
    ports = choose_ports(names, {}, {"service-3": 0})
    assert len(set(ports.values())) == len(names)
    assert all(is_free(port) for port in ports.values())


def test_a_held_port_refuses_no_connection_while_no_process_accepts():
    port = choose_ports(["gateway"], wanted={}, remembered={})["gateway"]
    with held(port) as descriptor:
        assert descriptor > 2
        with socket.create_connection((LOOPBACK, port), timeout=10):
            assert not is_free(port)
        with pytest.raises(ConfigError, match="is taken"), held(port):
            pass
    assert is_free(port)
