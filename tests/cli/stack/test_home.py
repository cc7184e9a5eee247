"""The home directory: one supervisor at a time, refusals that write nothing, processes known by pid and start."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from cli.stack import home as homes
from healing.errors import ConfigError, Conflict


def test_second_supervisor_is_refused_while_the_first_holds_the_home(tmp_path):
    with homes.locked(tmp_path):
        with pytest.raises(Conflict, match="already runs"):
            homes.refuse_second(tmp_path)
        with pytest.raises(Conflict, match="already runs"), homes.locked(tmp_path):
            pytest.fail("two supervisors hold one home")
    with homes.locked(tmp_path):
        homes.refuse_second(tmp_path / "another")


def test_stack_counts_as_up_only_with_lock_and_addresses(tmp_path):
    (tmp_path / homes.ADDRESSES_FILE).write_text("{}")
    assert not homes.is_up(tmp_path)
    with homes.locked(tmp_path):
        assert homes.is_up(tmp_path)
        (tmp_path / homes.ADDRESSES_FILE).unlink()
        assert not homes.is_up(tmp_path)


def test_home_under_a_file_is_refused_and_nothing_is_created(tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(ConfigError, match="found a file"):
        homes.check_home(in_the_way / "home")
    assert list(tmp_path.iterdir()) == [in_the_way]


def test_home_on_a_read_only_file_system_is_refused():
    mounts = [mount.mountpoint for mount in psutil.disk_partitions(all=True) if "ro" in mount.opts.split(",")]
    directory = next((Path(mount) for mount in mounts if Path(mount).is_dir()), None)
    if directory is None:
        pytest.skip("this machine has no read-only file system")
    with pytest.raises(ConfigError, match="cannot be written to"):
        homes.check_home(directory / "home")


def test_full_file_system_is_refused_with_what_is_needed(tmp_path):
    with pytest.raises(ConfigError, match="MiB left, it needs"):
        homes.check_home(tmp_path / "home", free_bytes_min=2**62)
    assert not (tmp_path / "home").exists()


def test_a_recycled_pid_does_not_count_as_alive():
    here = psutil.Process()
    assert homes.RunningService(name="me", pid=here.pid, started_at=here.create_time()).alive()
    assert not homes.RunningService(name="me", pid=here.pid, started_at=here.create_time() - 5).alive()


def test_processes_read_back_as_written(tmp_path):
    written = homes.Processes(
        mark="m", services=(homes.RunningService(name="feed", pid=1, started_at=2.5),), ports={"feed": 8000}
    )
    homes.write_processes(tmp_path, written)
    assert homes.read_processes(tmp_path) == written
    assert json.loads((tmp_path / homes.PROCESSES_FILE).read_text())["services"][0]["name"] == "feed"


def test_processes_of_another_format_are_refused_by_name(tmp_path):
    (tmp_path / homes.PROCESSES_FILE).write_text("[]")
    with pytest.raises(ConfigError, match="delete the file"):
        homes.read_processes(tmp_path)


def test_leftovers_of_a_killed_supervisor_are_reaped(tmp_path):
    homes.write_processes(tmp_path, homes.Processes(mark="left-behind"))
    (tmp_path / homes.ADDRESSES_FILE).write_text("{}")
    leftover = subprocess.Popen(
        [sys.executable, "-c", "import signal; signal.pause()"],
        env={**os.environ, "AUTOPILOT_PROCESS_MARK": "outer/left-behind"},
        start_new_session=True,
    )
    assert homes.reap_leftovers(tmp_path) == 1
    leftover.wait(timeout=10)
    assert not (tmp_path / homes.ADDRESSES_FILE).exists()
