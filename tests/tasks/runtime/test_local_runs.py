"""Local runs: one process per idempotency key, seen as active while it lives."""

import sys
import time

from tasks.config.settings import Settings
from tasks.runtime.flow_runs import RunState, cancel_run, run_state
from tasks.runtime.local_runs import start_local_run


def await_state(run, expected):
    deadline = time.monotonic() + 60
    while run_state(run) is not expected:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def await_text(path, expected):
    deadline = time.monotonic() + 60
    while not path.exists() or path.read_text() != expected:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_same_key_gives_one_run_which_can_be_cancelled(tmp_path):
    settings, marks = Settings(home=tmp_path / "home"), tmp_path / "marks"
    command = {"args": ["sh", "-c", f"echo started >> {marks}; sleep 300"]}
    first = start_local_run(settings, "subprocess:run", command, "incident/1")
    try:
        assert start_local_run(settings, "subprocess:run", command, "incident/1") == first
        assert run_state(first) is RunState.ACTIVE
        await_text(marks, "started\n")
        other = start_local_run(settings, "subprocess:run", {"args": ["true"]}, "incident/2")
        await_state(other, RunState.COMPLETED)
    finally:
        cancel_run(first)
    await_state(first, RunState.CRASHED)
    cancel_run(first)  # nothing happens to a run that has ended
    assert marks.read_text() == "started\n"


def test_a_run_is_killed_before_its_children(tmp_path):
    """A run whose child was killed first went on, and recorded that it completed."""
    settings, marks = Settings(home=tmp_path / "home"), tmp_path / "marks"
    script = f"for i in $(seq 200); do sleep 300 & done; echo started > {marks}; wait"  # so that killing takes time
    run = start_local_run(settings, "subprocess:run", {"args": ["sh", "-c", script]}, "incident/5")
    try:
        await_text(marks, "started\n")
    finally:
        cancel_run(run)
    await_state(run, RunState.CRASHED)


def test_a_run_that_raises_has_failed(tmp_path):
    """A failed ingest was taken for a completed one."""
    command = {"args": ["false"]}
    run = start_local_run(Settings(home=tmp_path / "home"), "subprocess:check_call", command, "incident/4")
    await_state(run, RunState.FAILED)


def test_the_ephemeral_prefect_of_a_run_has_more_time_to_start_than_its_own_20_s(tmp_path, monkeypatch):
    """On a busy machine every run of the healer failed after 20 s, so that an ingest was never made up for."""
    monkeypatch.delenv("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", raising=False)
    code = "from prefect.settings import get_current_settings as s; print(s().server.ephemeral.startup_timeout_seconds)"
    found = tmp_path / "found"
    command = {"args": ["sh", "-c", f"{sys.executable} -c '{code}' > {found}"]}
    run = start_local_run(Settings(home=tmp_path / "home"), "subprocess:run", command, "incident/3")
    await_text(found, "180\n")
    await_state(run, RunState.COMPLETED)
