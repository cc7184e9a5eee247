from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tasks.config.table import Table, Volume
from tasks.ingestion.validation.batch_history import Past, fingerprint, read_past
from tasks.lake.columns import BATCH_DAY
from tasks.lake.lake_table import LakeTable

MONDAY = date(2013, 3, 4)
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
    past = read_past(lake, TABLE, [MONDAY])
    assert past.rows == {MONDAY - timedelta(days=7): 7, MONDAY - timedelta(days=14): 14}
    week_ago = MONDAY - timedelta(days=7)
    assert past.prints[week_ago] == fingerprint(TABLE, rows(week_ago, 7))


def test_the_order_of_rows_keys_and_times_do_not_change_a_fingerprint_and_any_value_does():
    day = rows(MONDAY)
    moved = day.sample(frac=1, random_state=1).assign(id="other", at=pd.Timestamp("2014-01-01", tz="UTC"))
    assert fingerprint(TABLE, moved) == fingerprint(TABLE, day)
    for name, value in {"kind": "c", "x": 99.0, "n": 9, "yes": False}.items():
        changed = day.copy()
        changed.loc[0, name] = value
        assert fingerprint(TABLE, changed) != fingerprint(TABLE, day)


def test_nothing_is_read_where_the_contract_asks_nothing(lake):
    assert read_past(lake, TABLE.model_copy(update={"volume": None, "distinct_days": False}), [MONDAY]) == Past()


def test_before_the_first_commit_there_is_no_past(tmp_path):
    assert read_past(LakeTable(tmp_path, "t", ["id"]), TABLE, [MONDAY]) == Past()


def test_usual_is_the_median_of_the_same_weekday_and_needs_two_of_them():
    known = {MONDAY - timedelta(weeks=week): rows for week, rows in enumerate((100, 90, 10), 1)}
    assert Past(known).usual_rows(MONDAY) == 90
    assert Past(known).usual_rows(MONDAY + timedelta(days=1)) is None
    assert Past({MONDAY - timedelta(weeks=1): 100}).usual_rows(MONDAY) is None
