"""A database as a source, SQLite and a real PostgreSQL: all rows of a day, from one snapshot."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from healing.errors import ConfigError, NotData, NotServed, Oversized, SourceUnavailable
from tasks.config.pipeline import Table
from tasks.config.sources_section import SqlEndpoint
from tasks.ingestion.sources import Lookup, ServedDays
from tasks.ingestion.sources.chain import OpenSource
from tasks.ingestion.sources.circuit import StoredCircuit
from tasks.ingestion.sources.retry import Retrier
from tasks.ingestion.sources.sql import SqlReader

TABLE = Table(
    role="batch", key=("at", "id"), event_time="at", columns={"id": "string", "at": "timestamp", "x": "double"}
)
NEW_YORK = ZoneInfo("America/New_York")
DAY = date(2013, 3, 1)
MIDNIGHT = datetime(2013, 3, 1, 5, tzinfo=UTC)  # in New York
MOMENTS = [MIDNIGHT + timedelta(minutes=minute) for minute in range(-2, 24 * 60 + 2)]


def written(database: str, name: str = "t", moments=MOMENTS, *, with_zone: bool = True, ids: int = 1):
    """Create a table with `ids` rows per time."""
    engine = sa.create_engine(database, poolclass=sa.NullPool)
    metadata = sa.MetaData()
    table = sa.Table(
        name,
        metadata,
        sa.Column("id", sa.String),
        sa.Column("at", sa.DateTime(timezone=with_zone)),
        sa.Column("x", sa.Float),
    )
    metadata.create_all(engine)
    rows = [
        {"id": f"{number:06}", "at": at if with_zone else at.replace(tzinfo=None), "x": 0.1}
        for number, at in enumerate(each for each in moments for _ in range(ids))
    ]
    with engine.begin() as connection:
        connection.execute(table.insert(), rows)
    engine.dispose()


def source(folder, database: str, first: str = "t", **changes) -> OpenSource:
    config = {"name": "primary", "kind": "sql", "url": database, "attempts": 1, "page_rows": 100, "timeout_seconds": 5}
    endpoint = SqlEndpoint(**{**config, **changes})
    patience = Retrier(endpoint, StoredCircuit(folder / "primary.json", "sql"))
    return OpenSource("primary", SqlReader(endpoint, Lookup(), patience, NEW_YORK, (first, TABLE)), patience)


@pytest.mark.parametrize("with_zone", [True, False])
def test_a_batch_is_every_row_of_the_local_day(database, tmp_path, with_zone):
    written(database, with_zone=with_zone)
    [batch] = source(tmp_path, database).fetch("t", TABLE, [DAY])
    assert len(batch.rows) == 24 * 60
    assert batch.rows["id"].tolist() == [f"{number:06}" for number in range(2, 24 * 60 + 2)]
    assert batch.rows["x"].unique().tolist() == ["0.1"]
    assert datetime.fromisoformat(batch.rows["at"][0]).replace(tzinfo=UTC) == MIDNIGHT
    assert batch.suffix == "ndjson"
    assert batch.content.count(b"\n") == 24 * 60


def test_pages_that_end_between_rows_of_equal_time_lose_no_row(database, tmp_path):
    written(database, moments=[MIDNIGHT + timedelta(hours=hour) for hour in range(3)], ids=70)
    [batch] = source(tmp_path, database, page_rows=50).fetch("t", TABLE, [DAY])
    assert batch.rows["id"].nunique() == len(batch.rows) == 210


def test_a_keyset_that_is_not_unique_is_found_by_counting(database, tmp_path):
    written(database, moments=[MIDNIGHT], ids=70)
    by_time = {"t": {"keyset": ["at"]}}
    with pytest.raises(NotData, match="expected 70 rows of 2013-03-01, found 50 by key"):
        list(source(tmp_path, database, page_rows=50, tables=by_time).fetch("t", TABLE, [DAY]))


def test_a_query_is_read_by_key_too(database, tmp_path):
    written(database, "elsewhere")
    query = "select id, at, x * 2 as x from elsewhere where at >= :since and at < :until"
    [batch] = source(tmp_path, database, tables={"t": {"query": query}}).fetch("t", TABLE, [DAY])
    assert len(batch.rows) == 24 * 60
    assert set(batch.rows["x"]) == {"0.2"}


def test_a_day_without_rows_is_an_empty_batch_with_its_columns(database, tmp_path):
    written(database, moments=MOMENTS[:1])
    [batch] = source(tmp_path, database).fetch("t", TABLE, [DAY])
    assert list(batch.rows.columns) == ["id", "at", "x"]
    assert batch.rows.empty


def test_the_served_days_are_those_of_the_first_and_last_row(database, tmp_path):
    written(database)
    served = ServedDays(first=date(2013, 2, 28), last=date(2013, 3, 2), rows_per_day=len(MOMENTS) / 3)
    assert source(tmp_path, database).days() == served


def test_missing_tables_columns_and_exceeded_limits_are_named(database, tmp_path):
    written(database)
    with pytest.raises(NotServed, match="u"):
        list(source(tmp_path, database).fetch("u", TABLE, [DAY]))
    with pytest.raises(NotServed, match="expected column 'when'"):
        list(source(tmp_path, database, tables={"t": {"time": "when"}}).fetch("t", TABLE, [DAY]))
    with pytest.raises(NotServed, match="expected a time in column 'id'"):
        list(source(tmp_path, database, tables={"t": {"time": "id"}}).fetch("t", TABLE, [DAY]))
    with pytest.raises(Oversized, match="at most 10 rows"):
        list(source(tmp_path, database, batch_rows_max=10).fetch("t", TABLE, [DAY]))
    with pytest.raises(Oversized, match="at most 5000 bytes"):
        list(source(tmp_path, database, batch_bytes_max=5000).fetch("t", TABLE, [DAY]))


def test_a_query_cannot_write_to_the_source(postgres_database, tmp_path):
    written(postgres_database)
    query = (
        "select * from (select 1 as id, now() as at where :since < :until) as x, pg_advisory_lock(1), setval('s', 2)"
    )
    with sa.create_engine(postgres_database, poolclass=sa.NullPool).begin() as connection:
        connection.execute(sa.text("create sequence s"))
    with pytest.raises(SourceUnavailable, match="read-only transaction"):
        list(source(tmp_path, postgres_database, tables={"t": {"query": query}}).fetch("t", TABLE, [DAY]))


def test_a_slow_query_is_cancelled(postgres_database, tmp_path):
    query = "select '1' as id, cast(:since as timestamptz) as at, pg_sleep(60) where :until is not null"
    slow = source(tmp_path, postgres_database, timeout_seconds=0.2, tables={"t": {"query": query}})
    with pytest.raises(SourceUnavailable, match="statement timeout"):
        list(slow.fetch("t", TABLE, [DAY]))


def test_all_pages_come_from_one_snapshot(postgres_database, tmp_path, monkeypatch):
    from tasks.ingestion.sources.sql_rows import DayRows

    written(postgres_database)
    counted = DayRows.count

    def count_and_delete(rows, day):
        found = counted(rows, day)
        with sa.create_engine(postgres_database, poolclass=sa.NullPool).begin() as other:
            other.execute(sa.text("delete from t"))
        return found

    monkeypatch.setattr(DayRows, "count", count_and_delete)
    [batch] = source(tmp_path, postgres_database).fetch("t", TABLE, [DAY])
    assert len(batch.rows) == 24 * 60


def test_a_missing_database_file_is_unavailable_and_is_not_created(tmp_path):
    with pytest.raises(SourceUnavailable, match="no database file"):
        list(source(tmp_path, f"sqlite:///{tmp_path}/none.db").fetch("t", TABLE, [DAY]))
    assert not (tmp_path / "none.db").exists()


def test_no_message_shows_the_password(tmp_path):
    with pytest.raises(SourceUnavailable) as caught:
        list(source(tmp_path, "postgresql+pg8000://reader:s3cret@127.0.0.1:9/db").fetch("t", TABLE, [DAY]))
    assert "s3cret" not in str(caught.value)
    with pytest.raises(ConfigError, match="SQLAlchemy URL") as caught:
        source(tmp_path, "nosuch://reader:s3cret@127.0.0.1/db")
    assert "s3cret" not in str(caught.value)
