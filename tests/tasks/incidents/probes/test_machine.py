"""Probes of stores, disk, memory and processes."""

import dataclasses
import os

import pytest

from healing.incident import Cause
from tasks.incidents.probes import disk, machine
from tasks.incidents.probes.disk import DiskSpace
from tasks.incidents.probes.machine import MachineResources, memory_shortage, start_failure
from tasks.incidents.probes.stores import PROBES as STORES
from tests.object_store import object_store
from tests.tasks.incidents.contexts import probe_context


@pytest.fixture
def context(tmp_path, monkeypatch):
    with probe_context(tmp_path, monkeypatch) as found:
        yield found


def found(probe, context):
    return [(problem.cause, problem.subject) for problem in probe.observe(context).present]


@pytest.mark.parametrize(("store", "folder"), [(0, "releases"), (1, "lake")])
def test_a_store_must_take_a_file(context, store, folder):
    probe = STORES[store]()
    assert found(probe, context) == []  # not made yet
    root = context.settings.home / folder / context.pipeline.name
    root.mkdir(parents=True, exist_ok=True)
    assert found(probe, context) == []
    assert list(root.iterdir()) == []
    root.rmdir()
    root.write_text("a file where the directory should be")
    assert found(probe, context) == [(Cause.STORE_UNAVAILABLE, probe.name)]
    assert [each.cause for each in probe.hung(context).present] == [Cause.STORE_UNAVAILABLE]


@pytest.mark.parametrize("store", [0, 1])
def test_an_object_store_must_answer(context, store):
    probe = STORES[store]()
    with object_store() as server:
        urls = dict.fromkeys(("release_root_url", "lake_url"), f"s3://{server.bucket}/roots")
        remote = dataclasses.replace(context, settings=context.settings.model_copy(update=urls))
        assert found(probe, remote) == []
        server.network.cut()
        assert found(probe, remote) == [(Cause.STORE_UNAVAILABLE, probe.name)]
        server.network.mend()
        assert found(probe, remote) == []


def test_the_disk_of_the_home_needs_space(context, monkeypatch):
    assert found(DiskSpace(), context) == []
    free = os.statvfs(context.settings.home).f_bavail * os.statvfs(context.settings.home).f_frsize
    monkeypatch.setattr(disk, "FREE_BYTES_MIN", 2 * free)
    assert found(DiskSpace(), context) == [(Cause.DISK_FULL, "home")]


def test_memory_is_that_of_the_machine_and_of_its_control_group(context, tmp_path, monkeypatch):
    assert memory_shortage(tmp_path / "no control group") is None
    for name, content in (("memory.max", "1000000"), ("memory.current", "990000"), ("memory.stat", "inactive_file 0")):
        (tmp_path / name).write_text(content)
    assert memory_shortage(tmp_path) is not None
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 500000\n")
    assert memory_shortage(tmp_path) is None
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_shortage(tmp_path) is None
    monkeypatch.setattr(machine, "AVAILABLE_SHARE_MIN", 1.1)
    assert found(MachineResources(), context) == [(Cause.RESOURCE_PRESSURE, "memory")]


def test_a_process_must_start(monkeypatch, tmp_path):
    assert start_failure() is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "expected to start a process" in start_failure()
