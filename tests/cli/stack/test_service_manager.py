"""What systemd would receive, on a real datagram socket."""

import os
import socket
import threading

import pytest

from cli.stack.process_tree import ProcessTree
from cli.stack.service_manager import ADDRESS_VARIABLE, ServiceManager
from tests.cli.stack.small_services import hasten, pausing, supervise, until, watching


@pytest.fixture
def manager(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(30)
        yield receiver


def test_messages_of_a_stack(manager):
    messages = ServiceManager(manager.getsockname())
    messages.alive()
    messages.ready()
    messages.stopping()
    assert [manager.recv(100).decode().splitlines()[0] for _ in range(3)] == ["WATCHDOG=1", "READY=1", "STOPPING=1"]


def test_an_abstract_socket_is_reached():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0autopilot-test-{os.getpid()}")
        receiver.settimeout(30)
        ServiceManager(f"@autopilot-test-{os.getpid()}").ready()
        assert receiver.recv(100).startswith(b"READY=1")


def test_a_child_process_does_not_inherit_the_address(monkeypatch):
    monkeypatch.setenv(ADDRESS_VARIABLE, "/somewhere")
    assert ServiceManager.of_this_process() == ServiceManager("/somewhere")
    assert ServiceManager.of_this_process() == ServiceManager("")


def test_a_manager_that_is_away_or_reads_nothing_stops_nothing(manager, tmp_path):
    ServiceManager(str(tmp_path / "absent")).alive()
    for _ in range(2_000):  # far more than the socket's queue holds
        ServiceManager(manager.getsockname()).alive()


def test_the_supervisor_reports_each_turn_and_falls_silent_when_it_hangs(manager, tmp_path, monkeypatch):
    hasten(monkeypatch)
    hanging, released = threading.Event(), threading.Event()
    messages = ServiceManager(manager.getsockname())

    def turn():
        messages.alive()
        if hanging.is_set():
            released.wait(60)

    with ProcessTree() as tree:
        supervisor = supervise(tree, [pausing("server", tmp_path)], tmp_path, on_turn=turn)
        supervisor.start()
        with watching(supervisor):
            for _ in range(5):
                assert manager.recv(100) == b"WATCHDOG=1"
            hanging.set()
            until(lambda: not _messages_within(manager, 0.5))
            released.set()


def _messages_within(manager, seconds):
    manager.settimeout(seconds)
    try:
        return manager.recv(100)
    except TimeoutError:
        return b""
