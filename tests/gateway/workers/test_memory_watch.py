"""One growth is pressure on the machine, a second one is the model's own fault."""

import pytest

from gateway.reporting.problems import ProblemBoard
from gateway.workers import group as groups
from gateway.workers import memory_watch
from gateway.workers.memory_watch import MemoryWatch
from tests.gateway.workers.test_group import READY, group_of

LIMIT = 100


@pytest.fixture
def watched(monkeypatch):
    """A group of one ready worker, its problems, the memory that it holds, and the watch."""
    held = {"bytes": 0}
    group, board = group_of(READY), ProblemBoard()
    monkeypatch.setattr(memory_watch, "resident_bytes", lambda pid: held["bytes"])
    monkeypatch.setattr(type(group.all[0]), "pid", property(lambda worker: 7))
    return group, board, held, MemoryWatch(lambda: [group], board, LIMIT)


def codes(board):
    return [problem.code.value for problem in board.current()]


async def test_the_first_growth_is_resource_pressure_until_another_worker_is_ready(watched):
    group, board, held, watch = watched
    await watch.look()
    assert codes(board) == []
    held["bytes"] = LIMIT + 1
    await watch.look()
    assert codes(board) == ["resource_pressure"]
    assert not group.keeps_growing
    held["bytes"] = 0
    await watch.look()
    assert codes(board) == []


async def test_from_the_second_growth_on_the_model_is_reported_and_the_machine_is_not(watched):
    group, board, held, watch = watched
    for _ in range(2):
        held["bytes"] = LIMIT + 1
        await watch.look()
        assert board.current() or group.keeps_growing
    assert group.keeps_growing
    assert codes(board) == []  # the version reports itself: see Version.conditions


async def test_two_growths_of_different_hours_do_not_count_together(watched, monkeypatch):
    group, _, held, watch = watched
    now = [1000.0]
    monkeypatch.setattr(groups.time, "monotonic", lambda: now[0])
    held["bytes"] = LIMIT + 1
    await watch.look()
    now[0] += groups.OUTGROWN_WINDOW_SECONDS + 1
    await watch.look()
    assert not group.keeps_growing
    now[0] += 1
    await watch.look()
    assert group.keeps_growing
