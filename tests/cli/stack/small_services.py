"""Services of one small process each, and a supervisor that watches them in a thread."""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

from cli.stack import watched_service
from cli.stack.process_tree import wait_until
from cli.stack.services import Service
from cli.stack.supervisor import Supervisor

PAUSE = "import pathlib, signal, sys; pathlib.Path(sys.argv[1]).touch(); signal.pause()"

# Writes its pid and its child's, then touches a file again and again, as a server answers again and again.
BEAT = """
import os, pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
pathlib.Path(sys.argv[1]).with_suffix(".pids").write_text(f"{os.getpid()} {child.pid}")
while True:
    pathlib.Path(sys.argv[1]).touch()
    time.sleep(0.02)
"""


def pausing(name, tmp_path, after=(), prepare=lambda: None):
    """A service that is healthy once it has touched its own file, again after each start."""
    file = tmp_path / f"{name}.started"

    def forget():
        prepare()
        file.unlink(missing_ok=True)

    command = (sys.executable, "-c", PAUSE, str(file))
    return Service(name, command, os.environ, healthy=file.exists, after=after, prepare=forget)


def beating(name, tmp_path, silent_seconds_max=1.0):
    """A service that is healthy while it touches its file; it has a child process."""
    file = tmp_path / f"{name}.beat"

    def healthy():
        return file.exists() and time.time() - file.stat().st_mtime < 0.5

    command = (sys.executable, "-c", BEAT, str(file))
    return Service(name, command, os.environ, healthy=healthy, silent_seconds_max=silent_seconds_max)


def ending(name, code, after=(), registration=False):
    """A service that prints a reason and ends."""
    command = (sys.executable, "-c", f"print('reason {name}'); raise SystemExit({code})")
    return Service(name, command, os.environ, healthy=lambda: False, after=after, registration=registration)


def supervise(tree, services, tmp_path, changes=None, stopping=None, on_turn=lambda: None):
    """A supervisor that appends each change to `changes`."""
    recorded = changes if changes is not None else []
    return Supervisor(
        tree,
        services,
        tmp_path,
        stopping or threading.Event(),
        on_change=lambda name, state, running: recorded.append((name, state, running)),
        home=tmp_path,
        on_turn=on_turn,
    )


@contextmanager
def watching(supervisor):
    """`supervisor.watch` in a thread; what it raised is raised here."""
    with ThreadPoolExecutor(1) as executor:
        watch = executor.submit(supervisor.watch)
        try:
            yield
        finally:
            supervisor.stopping.set()
            wait([watch])
            supervisor.end()
        watch.result()


def hasten(monkeypatch):
    """Shorten the supervisor's intervals."""
    from cli.stack import supervisor as supervisors

    monkeypatch.setattr(supervisors, "WATCH_SECONDS", 0.02)
    monkeypatch.setattr(watched_service, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(watched_service, "BACKOFF_SECONDS_FIRST", 0.01)
    monkeypatch.setattr(watched_service, "BACKOFF_SECONDS_MAX", 0.02)
    monkeypatch.setattr(watched_service, "POSTPONE_SECONDS", 0.02)


def until(condition, seconds_max=30.0):
    """Wait for `condition`; a failure says that it did not become true."""
    assert wait_until(condition, seconds_max), "the condition did not become true in time"
