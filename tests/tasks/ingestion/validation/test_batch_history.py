from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tasks.config.contract_section import Contract
from tasks.config.table import Table, Volume
from tasks.ingestion.validation.batch_history import BatchHistory, fingerprint, read_history
from tasks.lake.columns import BATCH_DAY
from tasks.lake.lake_table import LakeTable

MONDAY = date(2013, 3, 4)
CONTRACT = Contract()
TABLE = Table(
    role="batch",
    key=("id",),
    event_time="at",
    columns={"id": "string", "at": "timestamp", "kind": "string", "x": "double", "n": "long", "yes": "boolean"},
    volume=Volume(share_min=0.5),
    distinct_days=True,
)


def rows(day: date, count: int = 5) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": [f"{day}-{number}" for number in range(count)],
            "at": pd.Timestamp(day, tz="UTC"),
            "kind": ["a", None] * (count // 2) + ["b"] * (count % 2),
            "x": np.arange(count, dtype="float64") + day.day,
            "n": pd.array([1, None] * (count // 2) + [2] * (count % 2), dtype="Int64"),
            "yes": pd.array([True, None] * (count // 2) + [False] * (count % 2), dtype="boolean"),
            BATCH_DAY: day,
        }
    )


@pytest.fixture
def lake(tmp_path):
    table = LakeTable(tmp_path, "t", ["id"])
    for back in (7, 14, 40):
        day = MONDAY - timedelta(days=back)
        plan = table.plan_merge(pa.Table.from_pandas(rows(day, back), preserve_index=False))
        table.commit(plan, {f"t/{day}": {}})
    return table


def test_counts_and_fingerprints_of_the_weeks_before_are_read_from_the_lake(lake):
    history = read_history(lake, TABLE, CONTRACT, [MONDAY])
    assert history.rows == {MONDAY - timedelta(days=7): 7, MONDAY - timedelta(days=14): 14}
    week_ago = MONDAY - timedelta(days=7)
    assert history.fingerprints[week_ago] == fingerprint(TABLE, rows(week_ago, 7))


def test_a_fingerprint_depends_on_every_value_but_not_on_order_keys_or_times():
    day = rows(MONDAY)
    moved = day.sample(frac=1, random_state=1).assign(id="other", at=pd.Timestamp("2014-01-01", tz="UTC"))
    assert fingerprint(TABLE, moved) == fingerprint(TABLE, day)
    for name, value in {"kind": "c", "x": 99.0, "n": 9, "yes": False}.items():
        changed = day.copy()
        changed.loc[0, name] = value
        assert fingerprint(TABLE, changed) != fingerprint(TABLE, day)


def test_nothing_is_read_where_no_rule_needs_it(lake):
    table = TABLE.model_copy(update={"volume": None, "distinct_days": False})
    assert read_history(lake, table, CONTRACT, [MONDAY]) == BatchHistory()


def test_before_the_first_commit_the_history_is_empty(tmp_path):
    assert read_history(LakeTable(tmp_path, "t", ["id"]), TABLE, CONTRACT, [MONDAY]) == BatchHistory()


def test_usual_rows_are_the_median_of_two_or_more_same_weekdays():
    known = {MONDAY - timedelta(weeks=week): rows for week, rows in enumerate((100, 90, 10), 1)}
    assert BatchHistory(known).usual_rows(MONDAY, CONTRACT) == 90
    assert BatchHistory(known).usual_rows(MONDAY + timedelta(days=1), CONTRACT) is None
    assert BatchHistory({MONDAY - timedelta(weeks=1): 100}).usual_rows(MONDAY, CONTRACT) is None


def test_the_contract_sets_how_many_weeks_count_and_how_many_are_enough():
    known = {MONDAY - timedelta(weeks=week): rows for week, rows in enumerate((100, 90, 10), 1)}
    assert BatchHistory(known).usual_rows(MONDAY, Contract(history_weeks=1, history_weekdays_min=1)) == 100
    assert BatchHistory(known).usual_rows(MONDAY, Contract(history_weeks=2)) == 95
    assert BatchHistory(known).usual_rows(MONDAY, Contract(history_weekdays_min=4)) is None


def test_only_the_weeks_that_count_are_read(lake):
    week_ago = MONDAY - timedelta(days=7)
    assert read_history(lake, TABLE, Contract(history_weeks=1), [MONDAY]).rows == {
        week_ago: 7,
        MONDAY - timedelta(days=14): 14,
    }
    assert MONDAY - timedelta(days=40) in read_history(lake, TABLE, Contract(history_weeks=5), [MONDAY]).rows
