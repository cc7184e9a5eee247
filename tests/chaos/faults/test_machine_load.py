from pathlib import Path

import psutil
import pytest

from chaos.faults import machine_load
from chaos.faults.resource import prepare
from chaos.lab import Lab
from tests.chaos.gateway_double import home_of
from tests.gateway.running import wait_until

MIB = 2**20


@pytest.fixture
def lab(tmp_path):
    home = home_of(tmp_path / "home", "http://127.0.0.1:9")
    return Lab.open(home, "flights", home / "drills" / "one")


def test_burners_get_processor_time_at_a_lower_priority_and_end_with_the_undo(lab, monkeypatch):
    monkeypatch.setattr(machine_load.os, "cpu_count", lambda: 1)
    fault = prepare(lab, resource="cpu")
    assert not fault.active()
    fault.inject()
    wait_until(fault.active, "the burners compute")
    burners = fault.agent.find().children()
    assert {burner.nice() for burner in burners} == {psutil.Process().nice() + machine_load.NICENESS}
    fault.undo()
    fault.undo()
    assert not fault.active()
    _, alive = psutil.wait_procs(burners, timeout=60)
    assert alive == []


def test_memory_is_held_by_a_process_that_the_kernel_would_end_first(lab, monkeypatch):
    monkeypatch.setattr(machine_load, "MEMORY_BYTES_MAX", 64 * MIB)
    monkeypatch.setattr(machine_load, "LEFT_SHARE", 0.01)
    fault = prepare(lab, resource="memory")
    assert fault.bytes_wanted <= 64 * MIB
    fault.inject()
    wait_until(fault.active, "the memory is held")
    pid = fault.agent.find().pid
    assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "1000"
    fault.undo()
    fault.undo()
    assert not fault.active()
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_machine_without_memory_to_spare_is_left_alone(lab, monkeypatch):
    monkeypatch.setattr(machine_load, "LEFT_SHARE", 1.0)
    with pytest.raises(LookupError, match="of available memory, found too little"):
        prepare(lab, resource="memory")
