"""Every file that may hold a key is a candidate, and no file that cannot."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from tasks.lake.key_lookup import candidate_files

T0 = datetime(2013, 3, 4, 12, 0, 0, 123_456, tzinfo=UTC)


def candidates(folder, stored: list, wanted: list, kind: pa.DataType) -> int:
    write_deltalake(folder, pa.table({"k": pa.array(stored, kind)}))
    actions = pa.table(DeltaTable(folder).get_add_actions(flatten=True))
    return len(candidate_files(actions, pa.table({"k": pa.array(wanted, kind)}), ["k"]))


@pytest.mark.parametrize(
    ("stored", "wanted", "kind"),
    [
        (["b", "d"], ["c"], pa.string()),
        (["x" * 200], ["x" * 200], pa.string()),  # the log stores 64 characters
        ([T0], [T0], pa.timestamp("us", tz="UTC")),  # the log stores milliseconds
        ([1.5, 2.5], [2.0], pa.float64()),
        ([1, 3], [3], pa.int64()),
        ([True], [True], pa.bool_()),
        ([None], ["a"], pa.string()),
    ],
)
def test_a_file_that_may_hold_the_key_is_a_candidate(tmp_path, stored, wanted, kind):
    assert candidates(tmp_path / "t", stored, wanted, kind) == 1


@pytest.mark.parametrize(
    ("stored", "wanted", "kind"),
    [
        (["2013-03-04-a", "2013-03-04-z"], ["2013-03-05-a"], pa.string()),
        ([T0], [T0 + timedelta(hours=1)], pa.timestamp("us", tz="UTC")),
        ([1, 3], [4, 9], pa.int64()),
    ],
)
def test_a_file_that_cannot_hold_the_key_is_not_read(tmp_path, stored, wanted, kind):
    assert candidates(tmp_path / "t", stored, wanted, kind) == 0
