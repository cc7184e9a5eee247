from datetime import date

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healing.errors import Conflict, StoreUnavailable
from tasks.lake import LakeTable

SCHEMA = pa.schema([("id", pa.string()), ("value", pa.float64()), ("event_day", pa.date32())])
MONDAY, TUESDAY = date(2013, 3, 4), date(2013, 3, 5)


def rows(*items: tuple[str, float | None, date]) -> pa.Table:
    names = SCHEMA.names
    return pa.Table.from_pylist([dict(zip(names, item, strict=True)) for item in items], schema=SCHEMA)


def put(table: LakeTable, batch: str, arrived: pa.Table):
    novelty = table.compare(arrived, "event_day")
    version = table.commit(novelty, {batch: {"received": arrived.num_rows}})
    return novelty, version


@pytest.fixture
def table(tmp_path):
    return LakeTable(tmp_path, "t", ["id"])


def test_nothing_is_there_before_the_first_commit(table):
    assert table.version() is None
    assert table.count() == 0
    assert table.has(["t/2013-03-04"]) == [False]
    assert table.note("t/2013-03-04") is None
    with pytest.raises(StoreUnavailable, match="ingest a day first"):
        table.read()


def test_a_batch_is_in_with_its_note(table):
    _, version = put(table, "t/1", rows(("a", 1.0, MONDAY)))
    assert table.has(["t/1", "t/2"]) == [True, False]
    assert table.note("t/1") == (version, {"received": 1})
    assert table.read()["id"].tolist() == ["a"]


def test_a_batch_goes_in_once(table):
    put(table, "t/1", rows(("a", 1.0, MONDAY)))
    with pytest.raises(Conflict, match="compare again"):
        put(table, "t/1", rows(("b", 1.0, MONDAY)))
    assert table.count() == 1


def test_a_batch_without_good_rows_is_in_all_the_same(table):
    put(table, "t/1", rows())
    assert table.has(["t/1"]) == [True]
    assert table.count() == 0


def test_the_newest_row_of_a_key_wins(table):
    put(table, "t/1", rows(("a", 1.0, MONDAY), ("b", 1.0, MONDAY)))
    novelty, _ = put(table, "t/2", rows(("a", 2.0, TUESDAY), ("c", 3.0, TUESDAY)))
    assert (novelty.added.num_rows, novelty.corrected.num_rows, novelty.duplicates) == (1, 1, {})
    assert dict(zip(*[table.read()[name] for name in ("id", "value")], strict=True)) == {"a": 2.0, "b": 1.0, "c": 3.0}


def test_rows_that_are_there_already_are_duplicates(table):
    put(table, "t/1", rows(("a", 1.0, MONDAY), ("b", None, MONDAY)))
    novelty, _ = put(table, "t/2", rows(("a", 1.0, MONDAY), ("b", None, MONDAY), ("c", 1.0, TUESDAY)))
    assert novelty.duplicates == {MONDAY: 2}
    assert table.count() == 3


def test_of_equal_keys_in_one_batch_the_last_stays(table):
    novelty, _ = put(table, "t/1", rows(("a", 1.0, MONDAY), ("a", 2.0, MONDAY), ("b", 1.0, MONDAY)))
    assert novelty.duplicates == {MONDAY: 1}
    assert sorted(table.read()["value"]) == [1.0, 2.0]


def test_reads_a_window_of_days_and_a_pinned_version(table):
    _, first = put(table, "t/1", rows(("a", 1.0, MONDAY)))
    put(table, "t/2", rows(("b", 1.0, TUESDAY)))
    assert table.read(since=TUESDAY)["id"].tolist() == ["b"]
    assert table.read(until=MONDAY)["id"].tolist() == ["a"]
    assert table.read(since=MONDAY, until=TUESDAY)["id"].tolist() == ["a", "b"]
    assert table.read(version=first, columns=["id"])["id"].tolist() == ["a"]


def test_of_two_writers_of_one_batch_one_wins(tmp_path):
    one, other = (LakeTable(tmp_path, "t", ["id"]) for _ in range(2))
    put(one, "t/0", rows(("z", 0.0, MONDAY)))
    mine, theirs = (table.compare(rows(("a", 1.0, MONDAY)), "event_day") for table in (one, other))
    one.commit(mine, {"t/1": {}})
    with pytest.raises(Conflict):
        other.commit(theirs, {"t/1": {}})
    assert one.count() == 2


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "t").write_text("a file where the table should be")
    table = LakeTable(tmp_path, "t", ["id"])
    with pytest.raises(StoreUnavailable, match="table t"):
        put(table, "t/1", rows(("a", 1.0, MONDAY)))


_ROW = st.tuples(st.sampled_from("abcd"), st.sampled_from([None, 0.0, 1.0]), st.sampled_from([MONDAY, TUESDAY]))


@settings(max_examples=20, deadline=None)
@given(batches=st.lists(st.lists(_ROW, max_size=6), min_size=1, max_size=4))
def test_the_table_holds_the_last_row_of_every_key_and_counts_add_up(tmp_path_factory, batches):
    table = LakeTable(tmp_path_factory.mktemp("lake"), "t", ["id"])
    expected: dict[str, tuple] = {}
    for number, batch in enumerate(batches):
        novelty, _ = put(table, f"t/{number}", rows(*batch))
        written = novelty.added.num_rows + novelty.corrected.num_rows
        assert written + sum(novelty.duplicates.values()) == len(batch)
        expected.update({item[0]: item for item in batch})
    frame = table.read().astype(object)
    found = {row[0]: tuple(None if value != value else value for value in row) for row in frame.itertuples(index=False)}  # noqa: PLR0124
    assert found == expected
