import json
import os
import shutil
import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest
import yaml

from flows.ingest import ingest
from healing.errors import SourceUnavailable, UsageError
from healing.incident import Cause, Remedy, Status
from tasks.lake.lake_table import LakeTable
from tasks.ledger.store import Ledger
from tests.feeds import feed_serving

SINCE, UNTIL = date(2013, 2, 26), date(2013, 2, 28)
DAYS = [SINCE + timedelta(days=index) for index in range(3)]
TABLES = {
    "flights": ["flight_id"],
    "weather": ["origin", "observed_at"],
    "outcomes": ["flight_id"],
    "features": ["flight_id"],
}
FAULTS = [
    {"table": "flights", "day": "2013-02-26", "kind": "rename", "columns": {"carrier": "airline"}},
    {"table": "flights", "day": "2013-02-27", "kind": "null", "column": "distance", "share": 0.4, "seed": 1},
]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A state directory, and flights without its suites: these are tested in tests/tasks/ingestion."""
    shutil.copytree(Path("pipelines/flights"), tmp_path / "pipelines/flights")
    path = tmp_path / "pipelines/flights/pipeline.yaml"
    document = yaml.safe_load(path.read_text())
    for table in document["tables"].values():
        del table["suite"]
    for source in document["sources"]:
        source |= {"timeout_seconds": 5, "attempts": 2}
    path.write_text(yaml.safe_dump(document))
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path / "var"))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(tmp_path / "pipelines"))
    return tmp_path / "var"


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    with feed_serving(tmp_path / "feed") as url:
        monkeypatch.setenv("AUTOPILOT_MIRROR_URL", url)
        yield url


@pytest.fixture
def primary(tmp_path, mirror, monkeypatch):
    with feed_serving(tmp_path / "feed", faulty=True) as url:
        monkeypatch.setenv("AUTOPILOT_FEED_URL", url)
        yield url


def remains(home: Path) -> dict[str, object]:
    """Everything that an ingest leaves behind and that does not depend on the time or the number of runs."""
    tables = {name: LakeTable(home / "lake/flights", name, key).read() for name, key in TABLES.items()}
    quarantine = home / "quarantine/flights"
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        batches = {each.batch_id: each for each in ledger.batches("flights")}
        incidents = {(each.cause, each.subject, each.status) for each in ledger.incidents("flights")}
    return {
        "tables": {name: frame.to_csv() for name, frame in tables.items()},
        "batches": {
            name: (each.received, each.accepted, each.quarantined, each.duplicates, each.status, each.repairs)
            for name, each in batches.items()
        },
        "incidents": incidents,
        "quarantine": {str(path.relative_to(quarantine)): path.read_bytes() for path in quarantine.glob("**/*.*")},
    }


def test_every_table_of_every_day_is_ingested_with_features(home, primary):
    report = ingest("flights", since=SINCE, until=UNTIL)
    assert (report.since, report.until, report.batches) == (SINCE, UNTIL, 9)
    assert report.rows.received == report.rows.accepted
    features = LakeTable(home / "lake/flights", "features", ["flight_id"]).read()
    assert len(features) == report.feature_rows == len(remains(home)["tables"]["flights"].splitlines()) - 1
    assert set(features["event_day"]) == set(DAYS)
    assert features["origin_late_share_24h"].notna().mean() > 0.9


def test_a_second_run_finds_nothing_to_do(home, primary):
    ingest("flights", since=SINCE, until=UNTIL)
    before = remains(home)
    report = ingest("flights", since=SINCE, until=UNTIL)
    assert (report.batches, report.feature_rows) == (0, 0)
    assert remains(home) == before


def test_day_by_day_and_all_at_once_give_the_same_rows(home, primary, tmp_path, monkeypatch):
    for day in DAYS:
        ingest("flights", since=day, until=day, chunk_days=1)
    one_by_one = remains(home)
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path / "other"))
    ingest("flights", since=SINCE, until=UNTIL)
    at_once = remains(tmp_path / "other")
    assert at_once == one_by_one


def test_faults_are_repaired_or_quarantined_and_recorded(home, primary):
    httpx.put(f"{primary}/faults", json=FAULTS).raise_for_status()
    report = ingest("flights", since=SINCE, until=UNTIL)
    assert report.repaired == ("flights/2013-02-26",)
    assert report.quarantined == ("flights/2013-02-27",)
    assert report.rows.received == report.rows.accepted + report.rows.quarantined + report.rows.duplicates
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        found = {each.cause: each for each in ledger.incidents("flights")}
    assert set(found) == {Cause.SCHEMA_BREAK, Cause.NULL_SPIKE}
    assert all(each.status is Status.RECOVERED for each in found.values())
    assert [each.remedy for each in found[Cause.SCHEMA_BREAK].attempts] == [Remedy.REPAIR_BATCH]
    folder = home / "quarantine/flights/flights/2013-02-27"
    assert (folder / "original.csv").read_bytes() == httpx.get(f"{primary}/flights/2013-02-27.csv").content
    assert json.loads((folder / "reason.json").read_text())["quarantined"] == report.rows.quarantined


def test_a_batch_that_cannot_be_repaired_is_replaced_by_that_of_the_mirror(home, primary):
    broken = [{"table": "flights", "day": "2013-02-26", "kind": "rename", "columns": {"carrier": "c1"}}]
    httpx.put(f"{primary}/faults", json=broken).raise_for_status()
    report = ingest("flights", since=SINCE, until=SINCE)
    assert report.rejected == ()
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        [incident] = ledger.incidents("flights")
        assert ledger.batch("flights", "flights/2013-02-26").source == "mirror"
    assert (incident.cause, incident.status) == (Cause.SCHEMA_BREAK, Status.RECOVERED)
    assert [each.remedy for each in incident.attempts] == [Remedy.SWITCH_SOURCE]


def test_a_dead_primary_costs_no_row(home, mirror, monkeypatch):
    monkeypatch.setenv("AUTOPILOT_FEED_URL", "http://127.0.0.1:9")  # nothing listens on the discard port
    report = ingest("flights", since=SINCE, until=SINCE)
    assert report.batches == 3
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        [incident] = ledger.incidents("flights")
    assert (incident.cause, incident.subject, incident.status) == (
        Cause.SOURCE_UNAVAILABLE,
        "primary",
        Status.RECOVERED,
    )
    assert [each.remedy for each in incident.attempts] == [Remedy.SWITCH_SOURCE]


def test_with_every_source_down_the_run_fails_and_the_next_one_continues(home, monkeypatch, tmp_path):
    monkeypatch.setenv("AUTOPILOT_FEED_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AUTOPILOT_MIRROR_URL", "http://127.0.0.1:9")
    with pytest.raises(SourceUnavailable, match="expected one of 2 sources to answer"):
        ingest("flights", since=SINCE, until=SINCE)
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        assert {each.subject for each in ledger.unfinished_incidents("flights")} == {"primary", "mirror"}
    with feed_serving(tmp_path / "feed") as url:
        monkeypatch.setenv("AUTOPILOT_FEED_URL", url)
        monkeypatch.setenv("AUTOPILOT_MIRROR_URL", url)
        ingest("flights", since=SINCE, until=SINCE)
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        assert ledger.unfinished_incidents("flights") == []  # that of the mirror, too, which was not needed again


def test_a_batch_that_no_source_has_right_is_escalated(home, mirror, tmp_path, monkeypatch):
    path = tmp_path / "pipelines/flights/pipeline.yaml"
    document = yaml.safe_load(path.read_text())
    document["tables"]["flights"]["rows_min"] = 100_000
    path.write_text(yaml.safe_dump(document))
    monkeypatch.setenv("AUTOPILOT_FEED_URL", mirror)
    report = ingest("flights", since=SINCE, until=SINCE)
    assert report.rejected == ("flights/2013-02-26",)
    assert report.feature_rows == 0
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        [incident] = ledger.incidents("flights")
    assert (incident.cause, incident.status) == (Cause.VOLUME_ANOMALY, Status.ESCALATED)
    assert "in quarantine" in (home / "alerts.jsonl").read_text()


@pytest.mark.parametrize("since", [date(2013, 3, 1), date(2014, 6, 1)])
def test_days_that_are_not_over_are_not_ingested(home, primary, since):
    report = ingest("flights", since=since, until=since)
    assert (report.batches, report.since) == (0, None)


def test_wrong_parameters_are_refused_before_anything_is_written(home):
    with pytest.raises(UsageError, match="since <= until"):
        ingest("flights", since=UNTIL, until=SINCE)
    with pytest.raises(UsageError, match="known: flights"):
        ingest("flihgts")
    assert not home.exists()


def test_a_kill_leaves_what_an_undisturbed_run_leaves(home, primary, tmp_path, monkeypatch):
    """Over HTTP and on real rows; `durability` kills at every point and file event of a smaller pipeline."""
    point = "ingest.committed"
    httpx.put(f"{primary}/faults", json=FAULTS).raise_for_status()
    environment = {**os.environ, "PREFECT_API_URL": _api_url()}
    command = [sys.executable, "-m", "tests.flows.ingest_in_a_process", "flights", point, "flights"]
    killed = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert killed.returncode == -signal.SIGKILL, f"{point} never fired: {killed.stderr}"
    ingest("flights", since=SINCE, until=UNTIL)
    disturbed = remains(home)
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path / "undisturbed"))
    ingest("flights", since=SINCE, until=UNTIL)
    assert disturbed == remains(tmp_path / "undisturbed")


def _api_url() -> str:
    from prefect.settings import PREFECT_API_URL

    return str(PREFECT_API_URL.value())
