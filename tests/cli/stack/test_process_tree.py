"""No process outlives its supervisor, however the supervisor ends."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil

from cli.stack import process_tree
from cli.stack.orphans import marked_processes
from cli.stack.process_tree import ProcessTree, wait_until

ROOT = Path(__file__).parents[3]

# A child that starts a grandchild in a session of its own, ignores SIGTERM, and says both pids.
STUBBORN = """
import os, pathlib, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
pathlib.Path(sys.argv[1]).write_text(f"{os.getpid()} {grandchild.pid}\\n")
signal.pause()
"""

SUPERVISOR = """
import os, signal, sys
from pathlib import Path
from cli.stack.process_tree import ProcessTree
where = Path(sys.argv[1])
with ProcessTree() as tree:
    tree.start([sys.executable, "-c", sys.argv[2], str(where / "pids")], os.environ, where / "log", where)
    print(tree.mark, flush=True)
    signal.pause()
"""


def _gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _wait(condition, seconds_max=20.0):
    assert wait_until(condition, seconds_max), "condition did not come true in time"


def _pids(where: Path) -> list[int]:
    _wait(lambda: (where / "pids").exists() and (where / "pids").read_text().endswith("\n"))
    return [int(pid) for pid in (where / "pids").read_text().split()]


def test_leaving_the_context_ends_a_child_that_ignores_sigterm_and_its_grandchild(tmp_path, monkeypatch):
    monkeypatch.setattr(process_tree, "POLITE_SECONDS", 0.5)
    with ProcessTree() as tree:
        tree.start([sys.executable, "-c", STUBBORN, str(tmp_path / "pids")], os.environ, tmp_path / "log", tmp_path)
        pids = _pids(tmp_path)
        assert {process.pid for process in marked_processes(tree.mark)} == set(pids)
    assert all(_gone(pid) for pid in pids)


def test_killing_the_supervisor_ends_everything_it_started(tmp_path):
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path), STUBBORN], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    with supervisor:
        mark = supervisor.stdout.readline().strip()
        pids = _pids(tmp_path)
        supervisor.kill()
    _wait(lambda: all(_gone(pid) for pid in pids))
    assert marked_processes(mark) == []


def test_a_child_that_ends_at_sigterm_is_not_killed(tmp_path):
    script = textwrap.dedent("""
        import pathlib, signal, sys
        def leave(*_):
            pathlib.Path("farewell").write_text("said")
            sys.exit(0)
        signal.signal(signal.SIGTERM, leave)
        pathlib.Path("pids").write_text("0\\n")
        signal.pause()
    """)
    with ProcessTree() as tree:
        child = tree.start([sys.executable, "-c", script], os.environ, tmp_path / "log", tmp_path)
        _pids(tmp_path)
    assert child.returncode == 0
    assert (tmp_path / "farewell").read_text() == "said"


def test_output_goes_to_the_log_and_its_tail_explains_a_failure(tmp_path):
    with ProcessTree() as tree:
        child = tree.start(
            [sys.executable, "-c", "print('why\\n\\nit failed')"], os.environ, tmp_path / "log", tmp_path
        )
        child.wait(timeout=20)
    assert process_tree.tail(tmp_path / "log") == "why | it failed"


def test_waiting_gives_up_at_its_deadline():
    began = time.monotonic()
    assert not wait_until(lambda: False, 0.2)
    assert time.monotonic() - began >= 0.2


def test_the_orphan_killer_ignores_the_signals_of_a_terminal(tmp_path):
    with ProcessTree() as tree:
        alive = [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]
        orphan_killer = next(p for p in alive if "cli.stack.orphans" in p.cmdline())
        orphan_killer.send_signal(signal.SIGINT)
        child = tree.start(
            [sys.executable, "-c", "import signal; signal.pause()"], os.environ, tmp_path / "l", tmp_path
        )
        assert child.poll() is None
