"""The supervisor with real, small processes: order of starting, restarts with backoff, failures by name."""

import os
import signal
import sys
import threading

import pytest

from cli import supervisor as supervisors
from cli.processes import ProcessTree, wait_until
from cli.stack import Service
from cli.supervisor import ServiceFailed, State, Stopped, Supervisor

PAUSE = "import pathlib, signal, sys; pathlib.Path(sys.argv[1]).touch(); signal.pause()"


@pytest.fixture
def tree():
    with ProcessTree() as tree:
        yield tree


def _pausing(name, tmp_path, after=()):
    """A service that is healthy once it has touched its own file, anew after each start."""
    file = tmp_path / f"{name}.started"
    return Service(
        name=name,
        command=(sys.executable, "-c", PAUSE, str(file)),
        environment=os.environ,
        healthy=file.exists,
        after=after,
        prepare=lambda: file.unlink(missing_ok=True),
    )


def _ending(name, code, after=(), registration=False):
    return Service(
        name=name,
        command=(sys.executable, "-c", f"print('reason {name}'); raise SystemExit({code})"),
        environment=os.environ,
        healthy=lambda: False,
        after=after,
        registration=registration,
    )


def _supervise(tree, services, tmp_path, changes=None, stopping=None):
    heard = changes if changes is not None else []
    return Supervisor(
        tree,
        services,
        tmp_path,
        stopping or threading.Event(),
        on_change=lambda name, state, running: heard.append((name, state, running)),
    )


def test_services_start_after_those_they_need(tree, tmp_path):
    changes = []
    services = [
        _pausing("server", tmp_path),
        _pausing("worker", tmp_path, after=("server",)),
        _ending("deployments", 0, after=("worker",), registration=True),
    ]
    supervisor = _supervise(tree, services, tmp_path, changes)
    supervisor.start()
    assert [(name, state) for name, state, _ in changes] == [
        ("server", State.STARTING),
        ("server", State.HEALTHY),
        ("worker", State.STARTING),
        ("worker", State.HEALTHY),
        ("deployments", State.STARTING),
        ("deployments", State.DONE),
    ]
    assert [running.name for running in changes[-1][2]] == ["server", "worker"]
    supervisor.end()


def test_service_that_ends_while_starting_is_named_with_its_last_words(tree, tmp_path):
    with pytest.raises(ServiceFailed, match="server ended with 3 while starting: reason server"):
        _supervise(tree, [_ending("server", 3)], tmp_path).start()


def test_service_that_never_becomes_healthy_is_named(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(supervisors, "START_SECONDS_MAX", 0.3)
    service = Service("mute", (sys.executable, "-c", "import signal; signal.pause()"), os.environ, lambda: False)
    with pytest.raises(ServiceFailed, match="mute not healthy within"):
        _supervise(tree, [service], tmp_path).start()


def test_stop_request_ends_the_start(tree, tmp_path):
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(Stopped):
        _supervise(tree, [_pausing("server", tmp_path)], tmp_path, stopping=stopping).start()


def test_killed_service_is_restarted_and_healthy_again(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(supervisors, "WATCH_SECONDS", 0.02)
    monkeypatch.setattr(supervisors, "BACKOFF_SECONDS_FIRST", 0.01)
    changes = []
    stopping = threading.Event()
    supervisor = _supervise(tree, [_pausing("server", tmp_path)], tmp_path, changes, stopping)
    supervisor.start()
    [first] = changes[-1][2]
    os.kill(first.pid, signal.SIGKILL)
    watch = threading.Thread(target=supervisor.watch)
    watch.start()
    try:
        assert wait_until(lambda: changes[-1][1] is State.HEALTHY and len(changes) > 2, 20.0)
    finally:
        stopping.set()
        watch.join()
    [second] = changes[-1][2]
    assert second.pid != first.pid
    assert second.restarts == 1
