"""The supervisor with real, small processes: order of starting, transient errors, and errors that end the start."""

import os
import signal
import sys
import threading

import pytest

from cli.stack import supervisor as supervisors
from cli.stack.process_tree import ProcessTree
from cli.stack.services import Service
from cli.stack.supervisor import ServiceFailed, Stopped
from cli.stack.watched_service import ServiceState
from healing.errors import ConfigError, OrchestratorUnavailable
from tasks.runtime.restart_requests import RestartRequest, request_restart, was_honoured
from tests.cli.stack.small_services import ending, hasten, pausing, supervise, until, watching


@pytest.fixture
def tree():
    with ProcessTree() as tree:
        yield tree


class Refusing:
    """A preparation that raises `error` the first `times` times."""

    def __init__(self, error, times):
        self.error = error
        self.left = times

    def __call__(self):
        if self.left > 0:
            self.left -= 1
            raise self.error


def test_services_start_after_those_they_need(tree, tmp_path):
    changes = []
    services = [
        pausing("server", tmp_path),
        pausing("worker", tmp_path, after=("server",)),
        ending("deployments", 0, after=("worker",), registration=True),
    ]
    supervisor = supervise(tree, services, tmp_path, changes)
    supervisor.start()
    assert [(name, state) for name, state, _ in changes] == [
        ("server", ServiceState.STARTING),
        ("server", ServiceState.HEALTHY),
        ("worker", ServiceState.STARTING),
        ("worker", ServiceState.HEALTHY),
        ("deployments", ServiceState.STARTING),
        ("deployments", ServiceState.DONE),
    ]
    assert [running.name for running in changes[-1][2]] == ["server", "worker"]
    supervisor.end()


def test_a_service_that_ends_while_starting_is_named_with_the_end_of_its_log(tree, tmp_path):
    with pytest.raises(ServiceFailed, match="server ended with 3 while starting: reason server"):
        supervise(tree, [ending("server", 3)], tmp_path).start()


def test_service_that_never_becomes_healthy_is_named(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(supervisors, "START_SECONDS_MAX", 0.3)
    service = Service("mute", (sys.executable, "-c", "import signal; signal.pause()"), os.environ, lambda: False)
    with pytest.raises(ServiceFailed, match="mute not healthy within"):
        supervise(tree, [service], tmp_path).start()


def test_stop_request_ends_the_start(tree, tmp_path):
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(Stopped):
        supervise(tree, [pausing("server", tmp_path)], tmp_path, stopping=stopping).start()


def test_start_goes_on_when_what_a_service_needs_answers_later(tree, tmp_path, monkeypatch):
    hasten(monkeypatch)
    slow = Refusing(OrchestratorUnavailable("expected a work pool, found ReadTimeout"), times=3)
    changes = []
    supervisor = supervise(tree, [pausing("worker", tmp_path, prepare=slow)], tmp_path, changes)
    supervisor.start()
    assert slow.left == 0
    [worker] = changes[-1][2]
    assert (worker.state, worker.restarts) == (ServiceState.HEALTHY, 0)
    supervisor.end()


def test_a_start_that_times_out_names_the_reason(tree, tmp_path, monkeypatch):
    hasten(monkeypatch)
    monkeypatch.setattr(supervisors, "START_SECONDS_MAX", 0.3)
    dead = Refusing(OrchestratorUnavailable("expected a work pool, found ReadTimeout"), times=10**6)
    with pytest.raises(ServiceFailed, match=r"worker \(expected a work pool, found ReadTimeout\) not healthy"):
        supervise(tree, [pausing("worker", tmp_path, prepare=dead)], tmp_path).start()


def test_an_error_that_waiting_cannot_cure_ends_the_start_at_once(tree, tmp_path):
    wrong = Refusing(ConfigError("expected a table, found none"), times=1)
    with pytest.raises(ConfigError, match="expected a table"):
        supervise(tree, [pausing("worker", tmp_path, prepare=wrong)], tmp_path).start()


def test_service_that_dies_while_another_starts_is_restarted(tree, tmp_path, monkeypatch):
    hasten(monkeypatch)
    changes = []
    gate = threading.Event()

    def killed_server():
        if not gate.is_set():
            gate.set()
            [server] = [each for each in changes[-1][2] if each.name == "server"]
            os.kill(server.pid, signal.SIGKILL)

    services = [pausing("server", tmp_path), pausing("worker", tmp_path, after=("server",), prepare=killed_server)]
    supervisor = supervise(tree, services, tmp_path, changes)
    supervisor.start()
    assert {(each.name, each.restarts, each.state) for each in changes[-1][2]} == {
        ("server", 1, ServiceState.HEALTHY),
        ("worker", 0, ServiceState.HEALTHY),
    }
    supervisor.end()


def test_killed_service_is_restarted_and_healthy_again(tree, tmp_path, monkeypatch):
    hasten(monkeypatch)
    changes = []
    supervisor = supervise(tree, [pausing("server", tmp_path)], tmp_path, changes)
    supervisor.start()
    [first] = changes[-1][2]
    os.kill(first.pid, signal.SIGKILL)
    with watching(supervisor):
        until(lambda: changes[-1][1] is ServiceState.HEALTHY and len(changes) > 2)
    [second] = changes[-1][2]
    assert second.pid != first.pid
    assert second.restarts == 1


def test_service_that_needs_another_waits_for_it_also_when_both_died(tree, tmp_path, monkeypatch):
    hasten(monkeypatch)
    changes = []
    services = [pausing("worker", tmp_path, after=("server",)), pausing("server", tmp_path)]
    supervisor = supervise(tree, services, tmp_path, changes)
    supervisor.start()
    started = len(changes)
    for each in changes[-1][2]:
        os.kill(each.pid, signal.SIGKILL)
    with watching(supervisor):
        until(lambda: changes[-1][:2] == ("worker", ServiceState.HEALTHY) and len(changes) > started)
    order = [(name, state) for name, state, _ in changes[started:]]
    assert order.index(("server", ServiceState.HEALTHY)) < order.index(("worker", ServiceState.STARTING))


def test_a_service_is_restarted_once_per_request_and_only_it(tree, tmp_path, monkeypatch):
    hasten(monkeypatch)
    request_restart(tmp_path, asked("before the start"))  # a supervisor that starts has nothing to restart
    supervisor = supervise(tree, [pausing("server", tmp_path), pausing("other", tmp_path)], tmp_path)
    supervisor.start()
    server, other = (supervisor._watched[name] for name in ("server", "other"))
    with watching(supervisor):
        until(lambda: not list((tmp_path / "requests").glob("restart-*")))
        assert (server.restarts, was_honoured(tmp_path, "server", "before the start")) == (0, False)
        pid = server.process.pid
        assert request_restart(tmp_path, asked("1"))
        until(lambda: server.restarts == 1 and server.state is ServiceState.HEALTHY)
        assert server.process.pid != pid
        assert not request_restart(tmp_path, asked("1"))  # a healer that was killed asks again
        assert request_restart(tmp_path, asked("2"))
        until(lambda: server.restarts == 2 and server.state is ServiceState.HEALTHY)
    assert other.restarts == 0


def asked(request_id):
    return RestartRequest(id=request_id, service="server", by="test", reason="a test")


def test_a_service_that_is_starting_is_not_restarted_on_request(tree, tmp_path, monkeypatch):
    """It would never be healthy if those who find it silent asked more often than it starts."""
    hasten(monkeypatch)
    ready = tmp_path / "ready"
    command = ("sh", "-c", "sleep 600")
    supervisor = supervise(tree, [Service("server", command, os.environ, healthy=ready.exists)], tmp_path, [])
    starting = threading.Thread(target=supervisor.start)
    starting.start()
    server = supervisor._watched["server"]
    until(lambda: server.state is ServiceState.STARTING)
    first = server.process.pid
    server.restart("somebody finds it silent")
    ready.touch()
    starting.join(30)
    assert (server.state, server.process.pid, server.restarts) == (ServiceState.HEALTHY, first, 0)
