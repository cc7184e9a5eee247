"""Maintenance keeps the lake small, and every version that a reader may need stays readable."""

from datetime import UTC, datetime

import pytest
from deltalake import DeltaTable

from flows.ingest import ingest
from flows.maintain import maintain
from healing.errors import UsageError
from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy
from tasks.config.settings import load_settings
from tasks.incidents.remedies.restore_snapshot import SnapshotRemedy
from tasks.incidents.remedy_result import RemedyResult
from tasks.lake import maintenance
from tasks.lake.lake_table import LakeTable
from tasks.ledger.store import Ledger
from tests.flows.durability.world import DAYS, SINCE, UNTIL, World, remains, weather_of
from tests.tasks.incidents.contexts import context


@pytest.fixture
def world(tmp_path, monkeypatch):
    built = World(tmp_path).build()
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(built.pipelines))
    for day in DAYS:
        ingest("small", since=day, until=day)
    return built


@pytest.fixture
def home(world):
    return world.folder / "home"


def features(home) -> LakeTable:
    return LakeTable(home / "lake/small", "features", ["id"])


def files(home, table: str) -> int:
    return len(list((home / "lake/small" / table).glob("*.parquet")))


def test_maintenance_compacts_and_deletes_files_and_changes_no_row(home, monkeypatch):
    monkeypatch.setattr(maintenance, "VERSIONS_KEPT", 0)
    before = remains(home)
    count = files(home, "rows")
    report = maintain("small", retention_days=0)
    assert files(home, "rows") < count
    assert {each.table for each in report.tables} == {"features", "outcomes", "rows", "weather"}
    assert remains(home) == before


def test_a_second_run_finds_nothing_to_do(home):
    maintain("small", retention_days=0)
    again = maintain("small", retention_days=0)
    assert [(each.files_joined, each.files_deleted) for each in again.tables] == [(0, 0)] * 4


def test_a_version_that_the_ledger_names_stays_readable(home):
    pinned = {version: features(home).read(version=version) for version in range(3)}
    maintain("small", retention_days=0)
    for version, frame in pinned.items():
        assert features(home).read(version=version).equals(frame)


def test_a_version_that_a_model_was_trained_on_stays_readable(home, monkeypatch):
    monkeypatch.setattr(maintenance, "VERSIONS_KEPT", 0)
    monkeypatch.setattr(maintenance, "_trained_on", lambda *_: [("features", 0), ("outcomes", 1)])
    trained_on = features(home).read(version=0)
    maintain("small", retention_days=0)
    assert features(home).read(version=0).equals(trained_on)


def test_versions_within_retention_stay_readable(home, monkeypatch):
    monkeypatch.setattr(maintenance, "VERSIONS_KEPT", 0)
    report = maintain("small", retention_days=30)
    assert [each.files_deleted for each in report.tables] == [0] * 4
    assert len(features(home).read(version=0)) == 30


def test_ingest_works_after_maintenance(home, world):
    maintain("small", retention_days=0)
    world.put("weather", DAYS[0], weather_of(DAYS[0], temp=70.0))
    assert ingest("small", since=SINCE, until=UNTIL, again=True).batches == 1
    assert ingest("small", since=SINCE, until=UNTIL).batches == 0


def test_files_of_a_killed_writer_are_deleted(home):
    orphan = home / "lake/small/rows/part-00000-0-c000.snappy.parquet"
    orphan.write_bytes(b"half")
    maintain("small", retention_days=0)
    assert not orphan.exists()


def test_the_delta_log_is_never_cleaned_automatically(home):
    """Delta's default deletes log entries after 30 days, and with them the versions that models were trained on."""
    configuration = DeltaTable(home / "lake/small/features").metadata().configuration
    assert configuration["delta.enableExpiredLogCleanup"] == "false"


def test_a_negative_retention_is_refused(home):
    with pytest.raises(UsageError, match="retention_days >= 0"):
        maintain("small", retention_days=-1)


def bad_batch(home, subject: str):
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        return ledger.record_evidence(
            Evidence("small", Cause.BAD_ROWS, subject, "a person", datetime.now(UTC), "too warm")
        )


def restore_snapshot(incident, number: int = 1) -> RemedyResult:
    settings = load_settings()
    with Ledger(settings.ledger_dsn) as ledger:
        return SnapshotRemedy().apply(context(settings, ledger, incident, Remedy.RESTORE_SNAPSHOT, number))


def test_restoring_a_snapshot_removes_a_bad_batch_from_the_features_until_it_is_corrected(home, world):
    good = features(home).read()
    world.put("weather", DAYS[1], weather_of(DAYS[1], temp=900.0))
    ingest("small", since=SINCE, until=UNTIL, again=True)
    assert not features(home).read().equals(good)
    incident = bad_batch(home, f"weather/{DAYS[1]}")
    applied = [restore_snapshot(incident, number) for number in (1, 2)]
    assert {each.outcome for each in applied} == {AttemptOutcome.SUCCEEDED}
    assert features(home).read().equals(good)
    assert ingest("small", since=SINCE, until=UNTIL).feature_rows == 0
    assert features(home).read().equals(good)
    world.put("weather", DAYS[1], weather_of(DAYS[1], temp=6.0))
    assert ingest("small", since=SINCE, until=UNTIL, again=True).feature_rows > 0
    assert features(home).read()["warmest"].max() == 6.0 + 23


def test_a_day_without_features_before_a_bad_batch_has_none_after_the_restore(home):
    incident = bad_batch(home, f"rows/{DAYS[2]}")
    assert restore_snapshot(incident).outcome is AttemptOutcome.SUCCEEDED
    assert set(features(home).read()["event_day"]) == set(DAYS[:2])


@pytest.mark.parametrize("subject", ["primary", "rows/1999-01-01"])
def test_an_unknown_batch_has_no_snapshot_to_restore(home, subject):
    assert restore_snapshot(bad_batch(home, subject)).outcome is AttemptOutcome.FUTILE
