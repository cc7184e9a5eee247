"""Corrected, late and unordered batches give the same lake, and features are computed again."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from flows.ingest import ingest
from tasks.lake.lake_table import LakeTable
from tasks.ledger.store import Ledger
from tests.flows.durability.world import (
    DAYS,
    SINCE,
    TABLES,
    UNTIL,
    World,
    outcomes_of,
    remains,
    rows_of,
    weather_of,
)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path / "home"))
    built = World(tmp_path).build()
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(built.pipelines))
    return built


def elsewhere(monkeypatch, tmp_path: Path) -> Path:
    """Another home, where the same source is ingested in another way."""
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path / "other"))
    return tmp_path / "other"


def features(home: Path):
    return LakeTable(home / "lake/small", "features", ["id"]).read().set_index("id")


def test_days_in_any_order_give_the_same_lake(world, tmp_path, monkeypatch):
    ingest("small", since=SINCE, until=UNTIL)
    home = elsewhere(monkeypatch, tmp_path)
    for day in (DAYS[1], DAYS[2], DAYS[0]):
        ingest("small", since=day, until=day)
    in_order, out_of_order = remains(tmp_path / "home"), remains(home)
    assert out_of_order == in_order


def test_features_are_computed_again_when_a_batch_that_they_depend_on_comes_late(world, tmp_path):
    ingest("small", since=DAYS[1], until=DAYS[1])
    before = features(tmp_path / "home")
    report = ingest("small", since=DAYS[0], until=DAYS[0])
    after = features(tmp_path / "home").loc[before.index]
    assert report.feature_rows > len(before)
    assert (after["known"] > before["known"]).all()


def test_a_correction_replaces_rows_and_their_features(world, tmp_path, monkeypatch):
    ingest("small", since=SINCE, until=UNTIL)
    world.put("weather", DAYS[0], weather_of(DAYS[0], temp=90.0))
    world.put("rows", DAYS[1], rows_of(DAYS[1], x=2.0))
    report = ingest("small", since=SINCE, until=UNTIL, again=True)
    assert report.batches == 2
    corrected = remains(tmp_path / "home")
    home = elsewhere(monkeypatch, tmp_path)
    ingest("small", since=SINCE, until=UNTIL)
    assert corrected["tables"] == remains(home)["tables"]
    assert not list((tmp_path / "home/quarantine/small").glob("rows/2013-03-02/reason.json"))


def test_the_record_of_a_correction_counts_each_row_once(world, tmp_path):
    ingest("small", since=SINCE, until=UNTIL)
    world.put("outcomes", DAYS[0], outcomes_of(DAYS[0]).replace(",1\n", ",0\n", 3))
    ingest("small", since=DAYS[0], until=DAYS[0], again=True)
    with Ledger(f"sqlite:///{tmp_path / 'home/ledger.db'}") as ledger:
        record = ledger.batch("small", f"outcomes/{DAYS[0]}")
        accepted = sum(each.accepted for each in ledger.batches("small") if each.table == "outcomes")
    assert (record.revision, record.received, record.accepted, record.duplicates) == (2, 30, 30, 0)
    assert accepted == LakeTable(tmp_path / "home/lake/small", "outcomes", TABLES["outcomes"]).count()


def test_requesting_unchanged_days_again_changes_nothing(world, tmp_path):
    ingest("small", since=SINCE, until=UNTIL)
    before = remains(tmp_path / "home")
    version = LakeTable(tmp_path / "home/lake/small", "rows", ["id"]).version()
    report = ingest("small", since=SINCE, until=UNTIL, again=True)
    assert (report.batches, report.feature_rows) == (0, 0)
    assert remains(tmp_path / "home") == before
    assert LakeTable(tmp_path / "home/lake/small", "rows", ["id"]).version() == version


def test_a_rejected_correction_leaves_the_batch_as_it_is(world, tmp_path):
    ingest("small", since=SINCE, until=UNTIL)
    before = remains(tmp_path / "home")
    world.put("rows", DAYS[1], "id,at\na,b\n")
    ingest("small", since=DAYS[1], until=DAYS[1], again=True)
    after = remains(tmp_path / "home")
    assert (after["tables"], after["batches"]) == (before["tables"], before["batches"])
    assert (tmp_path / f"home/quarantine/small/rows/{DAYS[1]}/refused/primary/refusal.json").exists()


def test_a_lost_ledger_is_rebuilt_from_the_lake(world, tmp_path):
    ingest("small", since=SINCE, until=UNTIL)
    before = remains(tmp_path / "home")
    for file in (tmp_path / "home").glob("ledger.db*"):
        file.unlink()
    ingest("small", since=SINCE, until=UNTIL)
    after = remains(tmp_path / "home")
    assert {name: after[name] for name in ("tables", "batches", "features")} == {
        name: before[name] for name in ("tables", "batches", "features")
    }


def test_days_in_two_runs_give_the_same_as_in_one(world, tmp_path, monkeypatch):
    late = world.source / f"outcomes/{DAYS[0]}.csv"
    text = late.read_text()
    ingest("small", since=date(2013, 3, 2), until=UNTIL)
    late.write_text(text)
    ingest("small", since=SINCE, until=UNTIL)
    in_two = remains(tmp_path / "home")
    home = elsewhere(monkeypatch, tmp_path)
    ingest("small", since=SINCE, until=UNTIL)
    assert in_two == remains(home)
