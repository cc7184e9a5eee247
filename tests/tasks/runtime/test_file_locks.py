"""A lock has one holder at a time, is released when its holder is killed, and testing it creates nothing."""

import subprocess
import sys
import threading

import pytest

from healing.errors import Conflict, StoreUnavailable
from tasks.runtime.file_locks import exclusive, is_held

HOLD = """
import sys, time
from pathlib import Path
from tasks.runtime.file_locks import exclusive
with exclusive(Path(sys.argv[1]), seconds_max=60):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "a.lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_held_lock_is_refused_in_bounded_time_and_with_the_given_message(tmp_path, holder):
    assert is_held(tmp_path / "a.lock")
    with (
        pytest.raises(Conflict, match="someone else"),
        exclusive(tmp_path / "a.lock", seconds_max=0.1, when_held="someone else"),
    ):
        pytest.fail("two holders")


def test_a_killed_holder_releases_the_lock(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert not is_held(tmp_path / "a.lock")
    with exclusive(tmp_path / "a.lock", seconds_max=0):
        assert is_held(tmp_path / "a.lock")


def test_within_its_bound_the_next_one_waits(tmp_path):
    order = []

    def wait() -> None:
        with exclusive(tmp_path / "a.lock", seconds_max=60):
            order.append("second")

    with exclusive(tmp_path / "a.lock", seconds_max=60):
        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(0.2)
        order.append("first")
    waiting.join(30)
    assert order == ["first", "second"]


def test_testing_a_lock_creates_nothing(tmp_path):
    assert not is_held(tmp_path / "none.lock")
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_that_cannot_be_created_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match=r"a\.lock"), exclusive(tmp_path / "file/a.lock", seconds_max=0):
        pytest.fail("no lock")
