"""A file with more rows than are profiled: keys, days and classes come from all rows, columns from a sample."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from healing.errors import UsageError
from tasks.onboarding.draft import OnboardingRequest, draft_pipeline
from tasks.onboarding.files import read_rows
from tasks.onboarding.guesses import guesses
from tasks.onboarding.large_file import profiled_rows_max, sample_rows
from tasks.onboarding.onboard import generated_files

ROWS, SAMPLED = 12_000, 2_000
DAYS = 50


def rows() -> pa.Table:
    rng = np.random.default_rng(4)
    first = datetime(2024, 1, 1, tzinfo=UTC)
    kinds = rng.choice(["a", "b", "c"], ROWS).astype(object)
    kinds[7_001:7_021] = "rare"
    return pa.table(
        {
            "id": [f"r{row}" for row in range(ROWS)],
            "at": [first + timedelta(seconds=row * DAYS * 86_400 // ROWS) for row in range(ROWS)],
            "kind": kinds,
            "x": rng.normal(size=ROWS),
            "code": rng.choice(["01", "02"], ROWS),
        }
    )


def request(path, **changes) -> OnboardingRequest:
    return OnboardingRequest(**{"name": "mine", "data": path, "label": "kind", "time": "at", "key": "id"} | changes)


@pytest.fixture(params=["parquet", "csv"])
def path(request, tmp_path):
    found = tmp_path / f"rows.{request.param}"
    if request.param == "csv":
        pacsv.write_csv(rows(), found)
    else:
        pq.write_table(rows(), found, row_group_size=700)
    return found


def test_what_concerns_all_rows_does_not_depend_on_the_sample(path, tmp_path):
    file = read_rows(path, 0, tmp_path)
    whole, sampled = (draft_pipeline(request(path), file, rows_max=rows_max) for rows_max in (ROWS, SAMPLED))
    assert whole.profiled_rows is None
    assert SAMPLED <= sampled.profiled_rows <= SAMPLED + 4
    assert (sampled.rows, sampled.key_why) == (ROWS, whole.key_why)
    assert sampled.daily_rows == whole.daily_rows
    assert sampled.label.classes == whole.label.classes == ("a", "b", "c", "rare")
    assert sampled.windows == whole.windows
    one, other = ([(each.name, each.type, each.categories) for each in draft.columns] for draft in (whole, sampled))
    assert one == other
    shown = {guess.about: guess for guess in guesses(sampled, generated_files(sampled))}
    assert shown["sample"].choice == f"{sampled.profiled_rows} of {ROWS} rows"


def test_the_sample_is_spread_over_the_file_and_has_every_value_of_the_label(path, tmp_path):
    found = sample_rows(read_rows(path, 0, tmp_path), SAMPLED, "kind").frame()
    positions = found["id"].str[1:].astype(int)
    assert positions.is_monotonic_increasing
    assert np.diff(positions).max() < 2 * ROWS / SAMPLED
    assert set(found["kind"]) == {"a", "b", "c", "rare"}


def test_a_repeated_key_outside_the_sample_is_refused_and_copies_are_counted(tmp_path):
    path, table = tmp_path / "rows.parquet", rows()
    pq.write_table(pa.concat_tables([table, table.slice(11, 3)]), path)
    assert "3 exact copies" in draft_pipeline(request(path), read_rows(path, 0), rows_max=SAMPLED).key_why
    changed = table.slice(11, 1).set_column(3, "x", pa.array([9.0]))
    pq.write_table(pa.concat_tables([table, changed]), path)
    with pytest.raises(UsageError, match=r"found 2 of 12001 rows .* \(such as 'r11'\)"):
        draft_pipeline(request(path), read_rows(path, 0), rows_max=SAMPLED)


def test_missing_keys_and_times_count_in_all_rows(tmp_path):
    path, frame = tmp_path / "rows.parquet", rows().to_pandas()
    frame.loc[frame.index % 100 == 0, "id"] = None
    frame.loc[frame.index % 50 == 0, "at"] = None
    frame.to_parquet(path, index=False)
    draft = draft_pipeline(request(path), read_rows(path, 0), rows_max=SAMPLED)
    assert draft.key_why == "11880 different values in 12000 rows; 1.0% missing, which are quarantined"
    expected = Counter(frame["at"].dropna().dt.date)
    assert draft.windows.rows_per_day == sorted(list(expected.values())[1:-1])[len(expected) // 2 - 1]
    frame.loc[frame.index % 10 == 0, "id"] = None
    frame.to_parquet(path, index=False)
    with pytest.raises(UsageError, match="expected a value in every row, found none in 1200 of 12000 rows"):
        draft_pipeline(request(path), read_rows(path, 0), rows_max=SAMPLED)


def test_a_label_of_many_values_adds_no_rows_to_the_sample(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(rows(), path)
    draft = draft_pipeline(request(path, label="x"), read_rows(path, 0), rows_max=SAMPLED)
    assert (draft.profiled_rows, draft.label.output) == (SAMPLED, "value")
    assert draft.windows.last == date(2024, 2, 19)


def test_memory_bounds_the_profiled_rows():
    assert profiled_rows_max(1 << 30) == 1_073_741
    assert profiled_rows_max(0) == 50_000
