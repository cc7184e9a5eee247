"""Whatever ends an ingest, the next one ends where an undisturbed one does: table, ledger, quarantine, incidents."""

import random
import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.flows.durability.world import remains

SOURCES = [*Path("tasks").rglob("*.py"), Path("flows/ingest.py")]
POINTS = sorted({name for path in SOURCES for name in re.findall(r'reached\("(ingest\.\w+)"', path.read_text())})
OFTEN = 4  # file events in every run of the tests
EXHAUSTIVE = 150  # among the drills


def some_events(undisturbed, count: int, seed: int) -> list[int]:
    """File events at random, spread over the run from its first to its last."""
    last = undisturbed.ended.events
    generator = random.Random(seed)
    steps = [last * index // count for index in range(count + 1)]
    return [generator.randint(low + 1, high) for low, high in pairwise(steps)]


def test_an_undisturbed_run_comes_by_every_named_point(undisturbed):
    """A point that never fires would make its kill test say nothing."""
    assert POINTS
    assert list(undisturbed.ended.points) == POINTS


def test_file_events_are_seen_of_python_of_sqlite_and_of_the_lake(undisturbed):
    assert undisturbed.ended.events > 100


def test_a_second_run_changes_nothing(ingest, undisturbed, tmp_path):
    assert [ended.error for _ in range(2) for ended in ingest()] == ["", ""]
    assert remains(tmp_path / "home") == undisturbed.remains


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_a_named_point_is_made_up_for(ingest, undisturbed, tmp_path, point):
    [killed] = ingest(point=point)
    assert killed.killed, f"{point} never fired: {killed}"
    [ended] = ingest()
    assert ended.error == ""
    assert remains(tmp_path / "home") == undisturbed.remains


def assert_kill_is_made_up_for(ingest, undisturbed, home: Path, event: int) -> None:
    [killed] = ingest(mode="k", event=event)
    assert killed.killed, f"event {event} never happened: {killed}"
    [ended] = ingest()
    assert ended.error == "", f"after a kill at event {event}: {ended}"
    assert remains(home) == undisturbed.remains, f"after a kill at event {event}"


@pytest.mark.parametrize("index", range(OFTEN))
def test_a_kill_at_a_random_file_event_is_made_up_for(ingest, undisturbed, tmp_path, index):
    event = some_events(undisturbed, OFTEN, seed=index)[index]
    assert_kill_is_made_up_for(ingest, undisturbed, tmp_path / "home", event)


@pytest.mark.drill
@pytest.mark.timeout(120)
@pytest.mark.parametrize("index", range(EXHAUSTIVE))
def test_a_kill_at_any_of_many_file_events_is_made_up_for(ingest, undisturbed, tmp_path, index):
    event = some_events(undisturbed, EXHAUSTIVE, seed=7)[index]
    assert_kill_is_made_up_for(ingest, undisturbed, tmp_path / "home", event)


def assert_full_disk_is_said_and_made_up_for(ingest, undisturbed, home: Path, event: int) -> None:
    [full] = ingest(mode="f", event=event)
    assert full.error in ("StoreUnavailable", ""), f"a disk that is full from event {event} on: {full}"
    assert not full.error or "free space" in full.message, full.message
    [ended] = ingest()
    assert ended.error == "", f"after a disk that was full from event {event} on: {ended}"
    assert remains(home) == undisturbed.remains, f"after a disk that was full from event {event} on"


@pytest.mark.parametrize("index", range(OFTEN))
def test_a_full_disk_is_said_and_the_next_run_is_clean(ingest, undisturbed, tmp_path, index):
    event = some_events(undisturbed, OFTEN, seed=index)[index]
    assert_full_disk_is_said_and_made_up_for(ingest, undisturbed, tmp_path / "home", event)


@pytest.mark.drill
@pytest.mark.timeout(120)
@pytest.mark.parametrize("index", range(EXHAUSTIVE))
def test_a_full_disk_at_any_of_many_file_events_is_said(ingest, undisturbed, tmp_path, index):
    event = some_events(undisturbed, EXHAUSTIVE, seed=11)[index]
    assert_full_disk_is_said_and_made_up_for(ingest, undisturbed, tmp_path / "home", event)


def test_two_at_once_end_as_one_does(ingest, undisturbed, tmp_path):
    assert [ended.error for ended in ingest(writers=2)] == ["", ""]
    assert remains(tmp_path / "home") == undisturbed.remains


def test_two_at_once_on_machines_that_share_no_lock_end_as_one_does(ingest, undisturbed, tmp_path):
    """One may lose the race for an incident or a commit, and says so; nothing is doubled or lost."""
    assert {ended.error for ended in ingest(writers=2, locked=False)} <= {"", "Conflict"}
    [ended] = ingest()
    assert ended.error == ""
    assert remains(tmp_path / "home") == undisturbed.remains
