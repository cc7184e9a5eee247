"""A signal to the workers of a model reaches all of them, and never the fork server, whose command line is the same."""

import json
import subprocess
import sys
from contextlib import ExitStack

import psutil
import pytest

from chaos.faults.crash_loop import _restarts
from chaos.faults.signalled_process import prepare
from chaos.lab import Lab
from tests.chaos.gateway_double import gateway_double, home_of
from tests.chaos.waiting import wait_for

SLEEP = "import time; time.sleep(600)"
FORK_SERVER = "gateway.workers.forkserver"
GATEWAY = f"""
import subprocess, sys, time
children = [subprocess.Popen([sys.executable, "-c", "{SLEEP}", "{FORK_SERVER}"]) for _ in range(2)]
print(*(child.pid for child in children), flush=True)
try:
    time.sleep(600)
finally:
    for child in children:
        child.kill()
"""


@pytest.fixture
def lab(tmp_path):
    """A lab whose champion has two workers, its fallback one; and the three processes."""
    with gateway_double() as (double, url), ExitStack() as stack:
        processes = [stack.enter_context(subprocess.Popen([sys.executable, "-c", SLEEP])) for _ in range(3)]
        digests = (double.champion, double.champion, "f" * 64)
        double.fallbacks = [{"digest": "f" * 64}]
        double.workers = [
            {"digest": digest, "pid": process.pid, "state": "ready", "restarts": number}
            for number, (digest, process) in enumerate(zip(digests, processes, strict=True))
        ]
        yield Lab.open(home_of(tmp_path / "home", url), "flights", tmp_path / "drills"), processes
        for process in processes:
            process.kill()


def test_all_workers_of_the_champion_are_killed_and_no_other(lab):
    lab, (first, second, fallback) = lab
    fault = prepare(lab, "champion_worker", "KILL")
    assert not fault.active()
    fault.inject()
    assert fault.active()
    assert [process.poll() is None for process in (first, second, fallback)] == [False, False, True]
    assert fault.title == f"champion_worker {first.pid}, {second.pid} killed"


def test_stopped_workers_continue_after_the_undo_and_one_of_them_is_not_enough(lab):
    lab, _ = lab
    fault = prepare(lab, "champion_worker", "STOP")
    fault.inject()
    wait_for(fault.active, "both are stopped")
    fault.workers[1].undo()
    wait_for(lambda: not fault.active(), "one of them continues")
    fault.undo()
    fault.undo()
    assert not fault.active()


def test_a_model_with_one_worker_is_a_signal_to_one_process(lab):
    lab, (_, _, fallback) = lab
    assert prepare(lab, "fallback_worker", "STOP").process.pid == fallback.pid


def test_restarts_of_all_workers_count(lab):
    lab, _ = lab
    assert _restarts(lab.operate, lab.champion()) == 0 + 1
    assert _restarts(lab.operate, "0" * 64) is None


def test_the_fork_server_is_the_child_that_is_no_worker(tmp_path):
    with (
        gateway_double() as (double, url),
        subprocess.Popen([sys.executable, "-c", GATEWAY], stdout=subprocess.PIPE, text=True) as gateway,
    ):
        worker, fork_server = map(int, gateway.stdout.readline().split())
        double.workers = [{"digest": double.champion, "pid": worker, "state": "ready"}]
        home = home_of(tmp_path / "home", url)
        service = {"name": "gateway", "pid": gateway.pid, "started_at": psutil.Process(gateway.pid).create_time()}
        (home / "processes.json").write_text(json.dumps({"services": [service]}))
        try:
            assert prepare(Lab.open(home, "flights", tmp_path), "fork_server", "STOP").process.pid == fork_server
        finally:
            for pid in (worker, fork_server):
                psutil.Process(pid).kill()
            gateway.kill()
