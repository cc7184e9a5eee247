"""However an ingest dies, the next one ends like an undisturbed one: tables, ledger, quarantine, incidents."""

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
    """Random file events, spread over the run from its first to its last."""
    last = undisturbed.ended.events
    generator = random.Random(seed)
    steps = [last * index // count for index in range(count + 1)]
    return [generator.randint(low + 1, high) for low, high in pairwise(steps)]


def test_an_undisturbed_run_reaches_every_named_point(undisturbed):
    """The kill test of a point that is never reached would prove nothing."""
    assert POINTS
    assert list(undisturbed.ended.points) == POINTS


def test_file_events_of_python_sqlite_and_the_lake_are_counted(undisturbed):
    assert undisturbed.ended.events > 100


def test_a_second_run_changes_nothing(ingest, undisturbed, tmp_path):
    assert [ended.error for _ in range(2) for ended in ingest()] == ["", ""]
    assert remains(tmp_path / "home") == undisturbed.remains


@pytest.mark.parametrize("point", POINTS)
def test_the_next_run_completes_one_that_was_killed_at_a_named_point(ingest, undisturbed, tmp_path, point):
    [killed] = ingest(point=point)
    assert killed.killed, f"{point} never fired: {killed}"
    [ended] = ingest()
    assert ended.error == ""
    assert remains(tmp_path / "home") == undisturbed.remains


def assert_next_run_completes(ingest, undisturbed, home: Path, event: int) -> None:
    [killed] = ingest(mode="k", event=event)
    assert killed.killed, f"event {event} never happened: {killed}"
    [ended] = ingest()
    assert ended.error == "", f"after a kill at event {event}: {ended}"
    assert remains(home) == undisturbed.remains, f"after a kill at event {event}"


@pytest.mark.parametrize("index", range(OFTEN))
def test_the_next_run_completes_one_that_was_killed_at_a_random_file_event(ingest, undisturbed, tmp_path, index):
    event = some_events(undisturbed, OFTEN, seed=index)[index]
    assert_next_run_completes(ingest, undisturbed, tmp_path / "home", event)


@pytest.mark.drill
@pytest.mark.timeout(120)
@pytest.mark.parametrize("index", range(EXHAUSTIVE))
def test_the_next_run_completes_one_that_was_killed_at_any_of_many_file_events(ingest, undisturbed, tmp_path, index):
    event = some_events(undisturbed, EXHAUSTIVE, seed=7)[index]
    assert_next_run_completes(ingest, undisturbed, tmp_path / "home", event)


def assert_full_disk_is_named(ingest, undisturbed, home: Path, event: int) -> None:
    [full] = ingest(mode="f", event=event)
    assert full.error in ("StoreUnavailable", "LedgerUnavailable", ""), (
        f"a disk that is full from event {event} on: {full}"
    )
    assert not full.error or "free space" in full.message, full.message
    [ended] = ingest()
    assert ended.error == "", f"after a disk that was full from event {event} on: {ended}"
    assert remains(home) == undisturbed.remains, f"after a disk that was full from event {event} on"


@pytest.mark.parametrize("index", range(OFTEN))
def test_a_full_disk_is_named_in_the_error_and_the_next_run_completes(ingest, undisturbed, tmp_path, index):
    event = some_events(undisturbed, OFTEN, seed=index)[index]
    assert_full_disk_is_named(ingest, undisturbed, tmp_path / "home", event)


@pytest.mark.drill
@pytest.mark.timeout(120)
@pytest.mark.parametrize("index", range(EXHAUSTIVE))
def test_a_full_disk_at_any_of_many_file_events_is_named_in_the_error(ingest, undisturbed, tmp_path, index):
    event = some_events(undisturbed, EXHAUSTIVE, seed=11)[index]
    assert_full_disk_is_named(ingest, undisturbed, tmp_path / "home", event)


def test_two_concurrent_runs_end_like_one(ingest, undisturbed, tmp_path):
    assert [ended.error for ended in ingest(writers=2)] == ["", ""]
    assert remains(tmp_path / "home") == undisturbed.remains


def test_two_concurrent_runs_on_machines_without_a_common_lock_end_like_one(ingest, undisturbed, tmp_path):
    """One may lose the race for an incident or a commit, and reports it; nothing is duplicated or lost."""
    assert {ended.error for ended in ingest(writers=2, locked=False)} <= {"", "Conflict"}
    [ended] = ingest()
    assert ended.error == ""
    assert remains(tmp_path / "home") == undisturbed.remains


def test_a_run_that_is_overtaken_between_its_reads_of_ledger_and_lake_counts_no_row_twice(
    ingest, undisturbed, tmp_path
):
    """Its rows are in the lake by then, and are no duplicates: they are those of the same batch."""
    overtaken, other = ingest(writers=2, locked=False, overtaken=True)
    assert overtaken.error in ("", "Conflict")  # it may lose the race for an incident, and reports it
    assert other.error == ""
    [ended] = ingest()
    assert ended.error == ""
    assert remains(tmp_path / "home") == undisturbed.remains
