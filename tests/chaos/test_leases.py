import importlib
import os
import pkgutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import psutil
import pytest

from chaos import faults, leases
from chaos.faults.changed_file import ChangedFile, sha256
from chaos.faults.signalled_process import SignalledProcess
from chaos.processes import ProcessName

ROOT = Path(__file__).parents[2]
ORIGINAL = bytes(range(256)) * 16


def eventually(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never became true"
        time.sleep(0.02)


@pytest.fixture
def sleeper():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"]) as process:
        yield process
        process.kill()


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "models" / "model.skops"
    path.parent.mkdir()
    path.write_bytes(ORIGINAL)
    path.chmod(0o444)
    return path


@pytest.fixture
def directory(tmp_path):
    """A lease directory whose reapers are ended with the test, as their holder (this process) lives on."""
    path = tmp_path / "leases"
    yield path
    reaper = leases._reapers.pop(path, None)
    if reaper is not None:
        os.kill(reaper.pid, signal.SIGKILL)
        os.waitpid(reaper.pid, 0)


def test_a_corrupted_file_keeps_its_size_and_mode_and_is_restored_exactly(model, tmp_path):
    fault = ChangedFile.prepare(model, tmp_path / "original")
    assert not fault.active()
    fault.inject()
    assert fault.active()
    assert len(model.read_bytes()) == len(ORIGINAL)
    fault.undo()
    fault.undo()
    assert model.read_bytes() == ORIGINAL
    assert model.stat().st_mode & 0o777 == 0o444
    assert list(model.parent.iterdir()) == [model]


def test_undo_does_not_recreate_a_directory_that_was_removed(model, tmp_path):
    fault = ChangedFile.prepare(model, tmp_path / "original")
    fault.inject()
    model.unlink()
    model.parent.rmdir()
    fault.undo()
    assert not model.parent.exists()


def test_a_hard_link_elsewhere_keeps_its_bytes(model, tmp_path):
    os.link(model, tmp_path / "kept")
    ChangedFile.prepare(model, tmp_path / "original").inject()
    assert (tmp_path / "kept").read_bytes() == ORIGINAL


def test_a_stopped_process_is_stopped_until_the_undo(sleeper):
    fault = SignalledProcess(process=ProcessName.of(sleeper.pid))
    fault.inject()
    eventually(fault.active)
    fault.undo()
    fault.undo()
    eventually(lambda: not fault.active())


def test_a_recycled_process_number_is_never_signalled(sleeper):
    stranger = ProcessName(pid=sleeper.pid, started_at=ProcessName.of(sleeper.pid).started_at - 100)
    fault = SignalledProcess(process=stranger)
    with pytest.raises(ProcessLookupError, match="has ended"):
        fault.inject()
    fault.undo()
    assert psutil.Process(sleeper.pid).status() != psutil.STATUS_STOPPED


def test_a_lease_is_on_disk_before_the_fault_is_injected(directory, model, monkeypatch):
    seen = []
    monkeypatch.setattr(ChangedFile, "inject", lambda fault: seen.extend(leases.read_all(directory)))
    lease = leases.take(directory, ChangedFile.prepare(model, directory / "original"), ttl_seconds=60)
    assert [each.id for each in seen] == [lease.id]


def test_a_fault_that_cannot_be_injected_leaves_no_outstanding_lease(directory):
    gone = SignalledProcess(process=ProcessName(pid=2**22 - 1, started_at=0.0))
    with pytest.raises(ProcessLookupError):
        leases.take(directory, gone, ttl_seconds=60)
    assert [lease.outstanding for lease in leases.read_all(directory)] == [False]


def test_giving_back_twice_is_safe(directory, model):
    lease = leases.take(directory, ChangedFile.prepare(model, directory / "original"), ttl_seconds=60)
    assert leases.give_back_all(directory) == 1
    assert leases.give_back_all(directory) == 0
    leases.give_back(directory, lease)
    assert model.read_bytes() == ORIGINAL


def test_the_reaper_undoes_a_lease_that_has_expired(directory, model):
    leases.take(directory, ChangedFile.prepare(model, directory / "original"), ttl_seconds=0.2)
    assert sha256(model) != sha256(directory / "original")
    eventually(lambda: model.read_bytes() == ORIGINAL)
    eventually(lambda: not leases.read_all(directory)[0].outstanding)


HOLDER = """
import sys, time
from pathlib import Path
from chaos import leases
from chaos.faults.changed_file import ChangedFile
from chaos.faults.signalled_process import SignalledProcess
from chaos.processes import ProcessName

directory, model, pid = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
leases.take(directory, ChangedFile.prepare(model, directory / "original"), ttl_seconds=600)
leases.take(directory, SignalledProcess(process=ProcessName.of(pid)), ttl_seconds=600)
print(leases._reapers[directory].pid, flush=True)
time.sleep(600)
"""


def test_the_reaper_undoes_every_fault_of_a_holder_that_was_killed_and_then_ends(tmp_path, model, sleeper):
    directory = tmp_path / "leases"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory), str(model), str(sleeper.pid)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as holder:
        reaper = psutil.Process(int(holder.stdout.readline()))
        eventually(lambda: psutil.Process(sleeper.pid).status() == psutil.STATUS_STOPPED)
        assert model.read_bytes() != ORIGINAL
        holder.send_signal(signal.SIGKILL)
    eventually(lambda: model.read_bytes() == ORIGINAL)
    eventually(lambda: psutil.Process(sleeper.pid).status() != psutil.STATUS_STOPPED)
    eventually(lambda: not reaper.is_running() or reaper.status() == psutil.STATUS_ZOMBIE)
    assert not any(lease.outstanding for lease in leases.read_all(directory))


BRIEF_HOLDER = """
import sys
from pathlib import Path
from chaos import leases
from chaos.faults.changed_file import ChangedFile

directory, model = Path(sys.argv[1]), Path(sys.argv[2])
lease = leases.take(directory, ChangedFile.prepare(model, directory / "original"), ttl_seconds=600)
leases.give_back(directory, lease)
"""


def test_a_holder_ends_without_a_warning_while_its_reaper_runs(tmp_path, model):
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "dev",
            "-W",
            "error::ResourceWarning",
            "-c",
            BRIEF_HOLDER,
            str(tmp_path / "l"),
            str(model),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=True,
    )
    assert "ResourceWarning" not in done.stderr


def test_every_fault_can_be_a_lease():
    """The reaper reads faults of every kind from disk."""
    modules = [importlib.import_module(f"chaos.faults.{each.name}") for each in pkgutil.iter_modules(faults.__path__)]
    classes = {
        each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and each.__module__ == module.__name__ and "kind" in getattr(each, "model_fields", {})
    }
    assert classes == set(get_args(get_args(leases.Fault)[0]))
