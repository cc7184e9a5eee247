"""Sources that are down, slow, flapping or wrong, each a real server: the backup is used until the primary answers.

Primary over HTTP, backup in a database, and the ledger in the same: on SQLite and on PostgreSQL.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
import sqlalchemy as sa
import yaml

from healing.errors import SourceUnavailable
from healing.incident import Cause, Status
from tasks.config.pipeline import Pipeline, load_pipeline
from tasks.ingestion.batch_incidents import settle_incidents
from tasks.ingestion.ingest_days import days_to_ingest, missing_days
from tasks.ingestion.ingest_table import ingest_table
from tasks.ingestion.quarantine import read_refusals
from tasks.ingestion.source_failover import report_return
from tasks.ingestion.sources import Lookup, open_sources
from tasks.ingestion.stores import Stores
from tasks.ledger.records import BatchRecord
from tasks.ledger.store import Ledger
from tasks.runtime.events import EventName
from tests.tasks.ingestion.sources.serving import Reply, answering

FIRST = date(2013, 3, 1)
ROWS = 5
ATTEMPTS = 3


def csv_of(day: date) -> bytes:
    rows = [f"{day}-{number},{day}T{12 + number}:00:00Z,{number % 2}" for number in range(ROWS)]
    return "\n".join(["id,at,late", *rows, ""]).encode()


def good(path: str) -> Reply:
    return Reply(csv_of(date.fromisoformat(path.removeprefix("/t/").removesuffix(".csv"))))


@pytest.fixture
def backup(database):
    """The same rows in a database."""
    engine = sa.create_engine(database, poolclass=sa.NullPool)
    columns = (sa.Column("id", sa.String), sa.Column("at", sa.DateTime(timezone=True)), sa.Column("late", sa.Integer))
    table = sa.Table("t", sa.MetaData(), *columns)
    table.create(engine)
    with engine.begin() as connection:
        for index in range(5):
            day = FIRST + timedelta(days=index)
            noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
            rows = [
                {"id": f"{day}-{number}", "at": noon + timedelta(hours=number), "late": number % 2}
                for number in range(ROWS)
            ]
            connection.execute(table.insert(), rows)
    return database


class World:
    """One pipeline with its state, ingested run by run."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.database = database
        self.switches: list[tuple[object, object]] = []
        self.notified: list[str] = []

    def configure(self, primary: str, **table: object) -> None:
        """Write the pipeline with the address of its primary source."""
        patience = {"timeout_seconds": 0.2, "patience_seconds": 1.0, "attempts": ATTEMPTS}
        document = {
            "name": "small",
            "sources": [
                {"name": "primary", "kind": "http", "url": primary, **patience},
                {"name": "backup", "kind": "sql", "url": "${env:DATABASE}", **patience, "timeout_seconds": 5},
            ],
            "tables": {
                "t": {
                    "role": "batch",
                    "key": ["id"],
                    "event_time": "at",
                    "columns": {"id": "string", "at": "timestamp", "late": "long"},
                    **table,
                }
            },
            "key": "id",
            "features": ".features:build",
            "estimator": ".model:build",
            "label": {"table": "t", "column": "late", "known_at": "at"},
            "policy": {"schema_break": ["switch_source"], "volume_anomaly": ["switch_source", "quarantine_batch"]},
        }
        path = self.folder / "pipelines/small/pipeline.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(document))

    def stores(self, pipeline: Pipeline, ledger: Ledger) -> Stores:
        folders = (self.folder / "lake", self.folder / "quarantine")
        return Stores(pipeline, *folders, ledger, self._emit, self._notify)

    def ingest(self, day: date) -> str:
        """Ingest one day; returns the source that sent it."""
        [record] = self.ingest_days([day])
        return record.source

    def ingest_days(self, days: Sequence[date]) -> list[BatchRecord]:
        """Ingest days as the flow does."""
        pipeline = load_pipeline("small", self.folder / "pipelines")
        lookup = Lookup({}, {"DATABASE": self.database})
        with ExitStack() as held:
            chain = held.enter_context(open_sources(pipeline, lookup, self.folder / "sources"))
            ledger = held.enter_context(Ledger(self.database))
            stores = self.stores(pipeline, ledger)
            with ExitStack() as remedies:
                wanted = days_to_ingest(stores, chain, days[0], days[-1], remedies)
                records = ingest_table(stores, chain, "t", missing_days(stores, "t", wanted))
            settle_incidents(stores, chain)
            report_return(stores, chain)
        assert {record.accepted for record in records} <= {ROWS}
        return records

    def journal(self) -> list[tuple[object, object]]:
        with Ledger(self.database) as ledger:
            entries = ledger.entries("small", "source.switched")
        return [(entry.detail["from"], entry.detail["to"]) for entry in reversed(entries)]

    def _emit(self, name: EventName, _: str, payload) -> None:
        if name is EventName.SOURCE_SWITCHED:
            self.switches.append((payload["from"], payload["to"]))

    def _notify(self, _, reason: str) -> None:
        self.notified.append(reason)


@pytest.fixture
def world(tmp_path, backup):
    return World(tmp_path, backup)


AWAY, BACK = ("primary", ["backup"]), ("backup", ["primary"])


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(lambda: Reply(b"down", 503), id="down"),
        pytest.param(lambda: Reply(wait=Event()), id="slow"),
        pytest.param(lambda: Reply(b"<html>Sign in</html>"), id="wrong"),
        pytest.param(lambda: Reply(b"id,at,late\n1,2013", length=1000), id="cut off"),
    ],
)
def test_the_backup_sends_the_batch_and_the_primary_is_used_again_when_it_answers(world, trouble):
    now = broken = trouble()
    with answering(lambda path: now or good(path)) as (url, asked):
        world.configure(url)
        assert world.ingest(FIRST) == "backup"
        assert len(asked) <= ATTEMPTS  # and each has its own timeout
        assert world.switches == world.journal() == [AWAY]
        now = None
        if broken.wait is not None:
            broken.wait.set()
        assert world.ingest(FIRST + timedelta(days=1)) == "primary"
        assert world.ingest(FIRST + timedelta(days=2)) == "primary"
    assert world.switches == world.journal() == [AWAY, BACK]
    with Ledger(world.database) as ledger:
        [incident] = ledger.incidents("small")
    assert (incident.cause, incident.subject, incident.status) == (
        Cause.SOURCE_UNAVAILABLE,
        "primary",
        Status.RECOVERED,
    )
    assert world.notified == []


def test_after_both_were_away_the_return_of_the_primary_ends_the_incident_of_the_backup_as_well(world):
    """The backup is not asked while the primary answers, so nothing else would ever end its incident."""
    now = Reply(b"down", 503)
    with answering(lambda path: now or good(path)) as (url, _):
        world.configure(url)
        with sa.create_engine(world.database, poolclass=sa.NullPool).begin() as connection:
            connection.execute(sa.text("alter table t rename to elsewhere"))
        with pytest.raises(SourceUnavailable):
            world.ingest(FIRST)
        with Ledger(world.database) as ledger:
            assert {incident.subject for incident in ledger.observed_incidents("small")} == {"primary", "backup"}
        now = None
        assert world.ingest(FIRST) == "primary"
    with Ledger(world.database) as ledger:
        assert {incident.status for incident in ledger.incidents("small")} == {Status.RECOVERED}


def test_each_failure_and_each_return_of_a_flapping_primary_is_reported(world):
    replies = {FIRST + timedelta(days=index): index % 2 == 0 for index in range(5)}

    def answer(path: str) -> Reply:
        day = date.fromisoformat(path.removeprefix("/t/").removesuffix(".csv"))
        return Reply(b"", 404) if replies[day] else good(path)

    with answering(answer) as (url, _):
        world.configure(url)
        sources = [world.ingest(day) for day in replies]
    assert sources == ["backup", "primary", "backup", "primary", "backup"]
    assert world.switches == world.journal() == [AWAY, BACK, AWAY, BACK, AWAY]


@pytest.mark.parametrize(
    ("sent", "error", "reason"),
    [
        (b"<html>Sign in</html>", "NotData", "found a page"),
        (b"id,at,late\n1,2\n", "NotData", "Expected 3 columns, got 2"),
        (b"id,at\n", "ContractBroken", "missing late"),
        (b"".join(csv_of(FIRST).splitlines(keepends=True)[:3]), "ContractBroken", "expected at least 5 rows, found 2"),
    ],
)
def test_a_refused_answer_is_kept_although_the_backup_sent_the_batch(world, sent, error, reason):
    with answering(lambda _: Reply(sent)) as (url, _):
        world.configure(url, rows_min=ROWS)
        assert world.ingest(FIRST) == "backup"
    [refusal] = read_refusals(world.folder / "quarantine")
    assert (refusal.batch_id, refusal.source, refusal.error) == ("t/2013-03-01", "primary", error)
    assert reason in refusal.reason
    assert (world.folder / "quarantine/t/2013-03-01/refused/primary/original.csv").read_bytes() == sent


def test_a_day_that_no_source_has_right_is_escalated_and_blocks_no_other_day(world):
    days = [FIRST + timedelta(days=index) for index in range(4)]
    with sa.create_engine(world.database, poolclass=sa.NullPool).begin() as connection:
        spoil = sa.text("update t set id = :long where id = :one")
        connection.execute(spoil, {"long": "x" * 70_000, "one": f"{days[1]}-1"})

    def answer(path: str) -> Reply:
        return Reply(b"<html>Oops</html>") if str(days[1]) in path else good(path)

    with answering(answer) as (url, _):
        world.configure(url)
        first = world.ingest_days(days)
        again = world.ingest_days(days)
    assert {record.day: record.source for record in first} == dict.fromkeys([days[0], *days[2:]], "primary")
    assert again == []  # requested once more, and still wrong
    assert [refusal.error for refusal in read_refusals(world.folder / "quarantine")] == ["Oversized", "NotData"]
    with Ledger(world.database) as ledger:
        incidents = [each for each in ledger.incidents("small") if each.cause is Cause.BAD_ROWS]
    assert {(each.subject, each.status) for each in incidents} == {(f"t/{days[1]}", Status.ESCALATED)}
    assert len(world.notified) == 2
    assert "no source sent rows of t/2013-03-02" in world.notified[0]


def test_the_circuit_opens_for_a_source_that_sends_something_else_than_rows_every_day(world):
    days = [FIRST + timedelta(days=index) for index in range(5)]
    with answering(lambda _: Reply(b"<html>Sign in</html>")) as (url, asked):
        world.configure(url)
        for number in range(2):
            records = world.ingest_days(days[:3] if number == 0 else days)
            assert {record.source for record in records} == {"backup"}
    assert len(asked) < 20
    assert world.switches == [AWAY, AWAY]


def test_with_no_source_left_the_error_has_every_reason_and_no_secret(world):
    world.configure("http://127.0.0.1:9")
    pipeline = load_pipeline("small", world.folder / "pipelines")
    lookup = Lookup({}, {"DATABASE": "postgresql+pg8000://reader:s3cret@127.0.0.1:9/db"})
    with Ledger(world.database) as ledger, open_sources(pipeline, lookup, world.folder / "sources") as chain:
        stores = world.stores(pipeline, ledger)
        with pytest.raises(SourceUnavailable, match="expected one of 2 sources") as caught:
            ingest_table(stores, chain, "t", [FIRST])
        journal = ledger.timeline("small")
    for name in ("source primary", "source backup"):
        assert name in str(caught.value)
    assert "s3cret" not in str(caught.value) + str(journal)
    assert world.switches == [AWAY, ("backup", [])]
