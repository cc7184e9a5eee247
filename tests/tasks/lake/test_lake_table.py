from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pyarrow as pa
import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st

from healing.errors import Conflict, StoreUnavailable
from tasks.lake.lake_table import LakeTable
from tests.examples import examples

SCHEMA = pa.schema([("id", pa.string()), ("value", pa.float64()), ("event_day", pa.date32())])
MONDAY, TUESDAY = date(2013, 3, 4), date(2013, 3, 5)


def rows(*items: tuple[str, float | None, date]) -> pa.Table:
    names = SCHEMA.names
    return pa.Table.from_pylist([dict(zip(names, item, strict=True)) for item in items], schema=SCHEMA)


def put(table: LakeTable, batch: str, arrived: pa.Table):
    plan = table.plan_merge(arrived)
    version = table.commit(plan, {batch: {"received": arrived.num_rows}})
    return plan, version


@pytest.fixture
def table(tmp_path):
    return LakeTable(tmp_path, "t", ["id"])


def test_a_table_is_empty_before_the_first_commit(table):
    assert table.version() is None
    assert table.count() == 0
    assert table.has(["t/2013-03-04"]) == [False]
    assert table.notes() == []
    with pytest.raises(StoreUnavailable, match="ingest a day first"):
        table.read()


def test_a_batch_is_committed_with_its_note(table):
    _, version = put(table, "t/1", rows(("a", 1.0, MONDAY)))
    assert table.has(["t/1", "t/2"]) == [True, False]
    assert table.notes() == [(version, {"t/1": {"received": 1}})]
    assert table.notes(after=version) == []
    assert table.read()["id"].tolist() == ["a"]


def test_notes_after_a_version_are_read_oldest_first(table):
    versions = [put(table, f"t/{number}", rows((str(number), 1.0, MONDAY)))[1] for number in range(3)]
    assert [version for version, _ in table.notes(after=versions[0])] == versions[1:]


def test_a_batch_without_good_rows_is_committed(table):
    put(table, "t/1", rows())
    assert table.has(["t/1"]) == [True]
    assert table.count() == 0


def test_the_newest_row_of_a_key_wins(table):
    put(table, "t/1", rows(("a", 1.0, MONDAY), ("b", 1.0, MONDAY)))
    plan, _ = put(table, "t/2", rows(("a", 2.0, TUESDAY), ("c", 3.0, TUESDAY)))
    assert (plan.added.num_rows, plan.corrected.num_rows, plan.duplicates) == (1, 1, {})
    assert plan.changed_days == {TUESDAY}
    assert dict(zip(*[table.read()[name] for name in ("id", "value")], strict=True)) == {"a": 2.0, "b": 1.0, "c": 3.0}


def test_a_late_row_of_an_earlier_day_does_not_win(table):
    put(table, "t/2", rows(("a", 2.0, TUESDAY)))
    plan, _ = put(table, "t/1", rows(("a", 1.0, MONDAY), ("b", 1.0, MONDAY)))
    assert (plan.added.num_rows, plan.corrected.num_rows, plan.duplicates) == (1, 0, {MONDAY: 1})
    assert sorted(table.read()["value"]) == [1.0, 2.0]


def test_rows_that_the_table_has_already_are_unchanged(table):
    put(table, "t/1", rows(("a", 1.0, MONDAY), ("b", None, MONDAY)))
    plan, _ = put(table, "t/2", rows(("a", 1.0, MONDAY), ("b", None, MONDAY), ("c", 1.0, TUESDAY)))
    assert plan.unchanged == {MONDAY: 2}
    assert table.count() == 3


def test_the_last_of_equal_keys_in_one_batch_wins(table):
    plan, _ = put(table, "t/1", rows(("a", 1.0, MONDAY), ("a", 2.0, MONDAY), ("b", 1.0, MONDAY)))
    assert plan.duplicates == {MONDAY: 1}
    assert sorted(table.read()["value"]) == [1.0, 2.0]


def test_reads_a_window_of_days_and_a_pinned_version(table):
    _, first = put(table, "t/1", rows(("a", 1.0, MONDAY)))
    put(table, "t/2", rows(("b", 1.0, TUESDAY)))
    assert table.read(since=TUESDAY)["id"].tolist() == ["b"]
    assert table.read(until=MONDAY)["id"].tolist() == ["a"]
    assert table.read(since=MONDAY, until=TUESDAY)["id"].tolist() == ["a", "b"]
    assert table.read(version=first, columns=["id"])["id"].tolist() == ["a"]


def test_reads_and_counts_the_rows_of_some_keys_and_days(table):
    assert put(table, "t/1", rows(("b", 1.0, MONDAY), ("a", 2.0, MONDAY), ("c", 3.0, TUESDAY)))[1] == 0
    assert table.read(keys=["c", "b", "z"])["id"].tolist() == ["b", "c"]
    assert table.read(keys=["c", "b"], until=MONDAY)["value"].tolist() == [1.0]
    assert table.read(keys=[], columns=["value"]).empty
    assert (table.count(until=MONDAY), table.count(since=TUESDAY, version=0)) == (2, 1)
    assert table.day_range() == (MONDAY, TUESDAY)


def test_one_of_two_writers_of_a_batch_wins(tmp_path):
    one, other = (LakeTable(tmp_path, "t", ["id"]) for _ in range(2))
    put(one, "t/0", rows(("z", 0.0, MONDAY)))
    mine, theirs = (table.plan_merge(rows(("a", 1.0, MONDAY))) for table in (one, other))
    one.commit(mine, {"t/1": {}})
    with pytest.raises(Conflict, match="compare again"):
        other.commit(theirs, {"t/1": {}})
    assert one.count() == 2


def test_a_plan_for_an_older_version_is_not_committed(tmp_path):
    """A batch that was committed in between may have one of the keys."""
    one, other = (LakeTable(tmp_path, "t", ["id"]) for _ in range(2))
    put(one, "t/0", rows(("z", 0.0, MONDAY)))
    mine, theirs = (table.plan_merge(rows(("a", 1.0, MONDAY))) for table in (one, other))
    one.commit(mine, {"t/1": {}})
    with pytest.raises(Conflict):
        other.commit(theirs, {"t/2": {}})
    assert other.plan_merge(rows(("a", 1.0, MONDAY))).unchanged == {MONDAY: 1}


def test_one_of_two_writers_that_create_the_table_wins(tmp_path):
    one, other = (LakeTable(tmp_path, "t", ["id"]) for _ in range(2))
    mine, theirs = (table.plan_merge(rows(("a", 1.0, MONDAY))) for table in (one, other))
    one.commit(mine, {"t/1": {}})
    with pytest.raises(Conflict):
        other.commit(theirs, {"t/1": {}})
    assert one.count() == 1


def test_concurrent_writers_neither_lose_nor_duplicate_a_row(tmp_path):
    """Eight threads, each with its own table object, write overlapping keys; the loser of a race plans again."""

    def write(writer: int) -> None:
        table = LakeTable(tmp_path, "t", ["id"])
        for number in range(5):
            for attempt in stamina.retry_context(
                on=Conflict, attempts=200, timeout=60, wait_initial=0.001, wait_max=0.05
            ):
                with attempt:
                    put(table, f"t/{writer}/{number}", rows((f"k{number}", float(writer), MONDAY)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    frame = LakeTable(tmp_path, "t", ["id"]).read()
    assert frame["id"].tolist() == [f"k{number}" for number in range(5)]


def test_an_error_names_the_table_that_cannot_be_written(tmp_path):
    (tmp_path / "t").write_text("a file where the table should be")
    table = LakeTable(tmp_path, "t", ["id"])
    with pytest.raises(StoreUnavailable, match="table t"):
        put(table, "t/1", rows(("a", 1.0, MONDAY)))


_ROW = st.tuples(st.sampled_from("abcd"), st.sampled_from([None, 0.0, 1.0]), st.sampled_from([MONDAY, TUESDAY]))


@examples(20)
@given(batches=st.lists(st.lists(_ROW, max_size=6), min_size=1, max_size=4))
def test_the_table_holds_the_newest_row_of_every_key_and_counts_add_up(tmp_path_factory, batches):
    table = LakeTable(tmp_path_factory.mktemp("lake"), "t", ["id"])
    expected: dict[str, tuple] = {}
    for number, batch in enumerate(batches):
        plan, _ = put(table, f"t/{number}", rows(*batch))
        written = plan.added.num_rows + plan.corrected.num_rows
        assert written + sum(plan.duplicates.values()) + sum(plan.unchanged.values()) == len(batch)
        for item in sorted(batch, key=lambda item: item[2]):
            if item[0] not in expected or expected[item[0]][2] <= item[2]:
                expected[item[0]] = item
    frame = table.read().astype(object)
    found = {row[0]: tuple(None if value != value else value for value in row) for row in frame.itertuples(index=False)}  # noqa: PLR0124
    assert found == expected


@examples(10)
@given(days=st.permutations(range(4)), again=st.lists(st.integers(0, 3), max_size=2))
def test_batches_in_any_order_and_more_than_once_end_in_the_same_table(tmp_path_factory, days, again):
    batches = [rows(*((key, float(day), date(2013, 3, 1 + day)) for key in keys)) for day, keys in enumerate(_KEYS)]
    table = LakeTable(tmp_path_factory.mktemp("lake"), "t", ["id"])
    for number, day in enumerate([*days, *again]):
        put(table, f"t/{number}", batches[day])
    assert dict(zip(*[table.read()[name] for name in ("id", "value")], strict=True)) == {
        key: float(max(day for day, keys in enumerate(_KEYS) if key in keys)) for key in "abcde"
    }


_KEYS = ("ab", "bc", "cd", "dea")
