"""A service that hangs is killed and restarted; one that keeps failing is reported; other services are not affected."""

import os
import signal
import sys

import psutil
import pytest
from structlog.testing import capture_logs

from cli.stack import watched_service
from cli.stack.process_tree import ProcessTree
from cli.stack.services import Service
from cli.stack.watched_service import ServiceState
from healing.errors import Corrupt
from tests.cli.stack.small_services import beating, hasten, pausing, supervise, until, watching


@pytest.fixture
def tree():
    with ProcessTree() as tree:
        yield tree


@pytest.fixture
def changes():
    return []


def latest(changes, name):
    """The service's latest entry for `processes.json`."""
    [running] = [each for each in changes[-1][2] if each.name == name]
    return running


def gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("stopped", ["alone", "with its child"])
def test_stopped_service_is_killed_with_its_child_and_restarted(tree, tmp_path, monkeypatch, changes, stopped):
    hasten(monkeypatch)
    supervisor = supervise(tree, [beating("server", tmp_path), pausing("other", tmp_path)], tmp_path, changes)
    supervisor.start()
    other = latest(changes, "other")
    pids = [int(pid) for pid in (tmp_path / "server.pids").read_text().split()]
    with watching(supervisor), capture_logs() as logs:
        for pid in pids if stopped == "with its child" else pids[:1]:
            os.kill(pid, signal.SIGSTOP)
        until(lambda: latest(changes, "server").pid not in pids)
        until(lambda: all(gone(pid) for pid in pids))
        until(lambda: latest(changes, "server").state == ServiceState.HEALTHY)
        assert latest(changes, "other") == other
    hung = [each for each in logs if each["event"] == "service_hung"]
    assert {each["service"] for each in hung} == {"server"}
    assert "did not answer for" in hung[0]["reason"]


def test_service_that_answers_is_left_alone(tree, tmp_path, monkeypatch, changes):
    hasten(monkeypatch)
    checks = []

    def answer():
        checks.append(len(checks))
        return len(checks) % 4 == 0  # three failures in a row, again and again

    service = pausing("server", tmp_path)
    service = Service(service.name, service.command, service.environment, healthy=answer, silent_seconds_max=0.0)
    supervisor = supervise(tree, [service], tmp_path, changes)
    supervisor.start()
    with watching(supervisor):
        until(lambda: len(checks) > 40)
        assert [state for _, state, _ in changes] == [ServiceState.STARTING, ServiceState.HEALTHY]


def test_service_that_stays_away_is_reported_and_tried_again_later(tree, tmp_path, monkeypatch, changes):
    hasten(monkeypatch)
    monkeypatch.setattr(watched_service, "RESTARTS_MAX", 3)
    monkeypatch.setattr(watched_service, "FAILED_SECONDS", 0.5)
    marker = tmp_path / "broken"
    command = ("sh", "-c", f"test -e {marker} && echo cannot start && exit 4; sleep 600")
    supervisor = supervise(
        tree,
        [Service("server", command, os.environ, healthy=lambda: not marker.exists()), pausing("other", tmp_path)],
        tmp_path,
        changes,
    )
    supervisor.start()
    other = latest(changes, "other")
    with watching(supervisor), capture_logs() as logs:
        marker.touch()
        os.kill(latest(changes, "server").pid, signal.SIGKILL)
        until(lambda: latest(changes, "server").state == ServiceState.FAILED)
        assert latest(changes, "server").restarts == 3
        assert latest(changes, "other") == other
        marker.unlink()
        until(lambda: latest(changes, "server").state == ServiceState.HEALTHY)
        assert latest(changes, "other") == other
    [failed] = [each for each in logs if each["event"] == "service_failed"]
    assert (failed["service"], failed["log_level"]) == ("server", "error")
    assert "cannot start" in failed["output"]


def test_service_with_a_limit_is_started_soon_however_often_it_is_lost(tree, tmp_path, monkeypatch, changes):
    """The healer, because nothing heals while it is away."""
    hasten(monkeypatch)
    monkeypatch.setattr(watched_service, "RESTARTS_MAX", 2)
    monkeypatch.setattr(watched_service, "FAILED_SECONDS", 600.0)  # nobody waits for it
    service = Service("healer", ("sleep", "600"), os.environ, healthy=lambda: True, restart_seconds_max=0.02)
    supervisor = supervise(tree, [service], tmp_path, changes)
    supervisor.start()
    with watching(supervisor):
        for restarts in range(1, 6):
            os.kill(latest(changes, "healer").pid, signal.SIGKILL)
            until(lambda restarts=restarts: latest(changes, "healer").restarts == restarts)
            until(lambda: latest(changes, "healer").state == ServiceState.HEALTHY)


def test_service_that_hangs_while_it_restarts_is_restarted_again(tree, tmp_path, monkeypatch, changes):
    hasten(monkeypatch)
    gate = tmp_path / "open"
    gate.touch()
    service = Service("server", ("sleep", "600"), os.environ, healthy=gate.exists)
    supervisor = supervise(tree, [service], tmp_path, changes)
    supervisor.start()
    gate.unlink()
    monkeypatch.setattr(watched_service, "START_SECONDS_MAX", 0.2)
    with watching(supervisor):
        os.kill(latest(changes, "server").pid, signal.SIGKILL)
        until(lambda: latest(changes, "server").restarts >= 3)
        gate.touch()
        until(lambda: latest(changes, "server").state == ServiceState.HEALTHY)


def test_error_while_it_prepares_a_restart_does_not_end_the_others(tree, tmp_path, monkeypatch, changes):
    hasten(monkeypatch)
    tries = []

    def prepare():
        tries.append(len(tries))
        if len(tries) in {2, 3}:  # the first two times it is launched again
            raise Corrupt("expected a database, found something else")

    services = [pausing("server", tmp_path, prepare=prepare), pausing("other", tmp_path)]
    supervisor = supervise(tree, services, tmp_path, changes)
    supervisor.start()
    other = latest(changes, "other")
    with watching(supervisor), capture_logs() as logs:
        os.kill(latest(changes, "server").pid, signal.SIGKILL)
        until(
            lambda: latest(changes, "server").restarts == 1 and latest(changes, "server").state == ServiceState.HEALTHY
        )
        assert latest(changes, "other") == other
    postponed = [each for each in logs if each["event"] == "launch_postponed"]
    assert [each["reason"] for each in postponed] == ["expected a database, found something else"]


# Serves while it holds the lock of its file, as a gateway holds its state directory; a second one waits for the lock.
IN_LINE = """
import fcntl, os, pathlib, signal, sys
file = pathlib.Path(sys.argv[1])
with file.with_suffix(".waiting").open("a") as waiting, file.with_suffix(".lock").open("w") as lock:
    print(os.getpid(), file=waiting, flush=True)
    fcntl.flock(lock, fcntl.LOCK_EX)
    file.write_text(str(os.getpid()))
    signal.pause()
"""


def started(tmp_path):
    """The processes that the service has started so far, in order."""
    file = tmp_path / "server.waiting"
    return [int(pid) for pid in file.read_text().split()] if file.exists() else []


def test_a_standby_takes_over_at_once_and_another_one_starts(tree, tmp_path, monkeypatch, changes):
    hasten(monkeypatch)
    monkeypatch.setattr(watched_service, "BACKOFF_SECONDS_FIRST", 600.0)  # nobody waits for it
    serving = tmp_path / "server"

    def healthy():
        return serving.exists() and not gone(int(serving.read_text() or 0))

    command = (sys.executable, "-c", IN_LINE, str(serving))
    service = Service("server", command, os.environ, healthy=healthy, standby=True)
    supervisor = supervise(tree, [service], tmp_path, changes)
    supervisor.start()
    assert started(tmp_path) == [latest(changes, "server").pid]
    with watching(supervisor):
        until(lambda: len(started(tmp_path)) == 2)
        first, second = started(tmp_path)
        os.kill(first, signal.SIGKILL)
        until(lambda: serving.read_text() == str(second))
        until(lambda: latest(changes, "server").pid == second)
        until(lambda: latest(changes, "server").state == ServiceState.HEALTHY)
        until(lambda: len(started(tmp_path)) == 3)
        assert latest(changes, "server").restarts == 1
        os.kill(started(tmp_path)[2], signal.SIGKILL)  # a standby that ends is replaced, and nothing else happens
        until(lambda: len(started(tmp_path)) == 4)
        assert latest(changes, "server").pid == second
    assert all(gone(pid) for pid in started(tmp_path))
