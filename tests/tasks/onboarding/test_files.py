"""A large Parquet file is read column by column; what `init` guesses from it is the same as from a small one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from healing.errors import UsageError
from tasks.onboarding.draft import OnboardingRequest, draft_pipeline
from tasks.onboarding.files import read_rows

ROWS = 900


def write(path: Path) -> Path:
    first = datetime(2024, 1, 1, tzinfo=UTC)
    columns = {
        "id": [f"r{row}" for row in range(ROWS)],
        "at": [first + timedelta(hours=row) for row in range(ROWS)],
        "label": [row % 3 == 0 for row in range(ROWS)],
        "x": [None if row % 50 == 0 else row / 7 for row in range(ROWS)],
        "code": [f"{row % 4:03}" for row in range(ROWS)],
        "long": [2**60 + row for row in range(ROWS)],
        "day": [(first + timedelta(days=row)).date() for row in range(ROWS)],
    }
    pq.write_table(pa.table(columns), path, row_group_size=100)
    return path


def test_the_guesses_are_those_of_a_file_in_memory(tmp_path):
    path = write(tmp_path / "rows.parquet")
    request = OnboardingRequest("mine", path, "label", "at", "id")
    large, small = (draft_pipeline(request, read_rows(path, bytes_min)) for bytes_min in (0, 1 << 40))
    assert large == small
    assert large.rows == ROWS


def test_a_repeated_key_is_refused_and_copies_of_a_row_are_not(tmp_path):
    path = write(tmp_path / "rows.parquet")
    rows = pq.read_table(path)
    pq.write_table(pa.concat_tables([rows, rows.slice(5, 2)]), path)
    request = OnboardingRequest("mine", path, "label", "at", "id")
    assert "2 exact copies of rows count once" in draft_pipeline(request, read_rows(path, 0)).key_why
    with pytest.raises(UsageError, match="key 'code': expected a different value in each row"):
        draft_pipeline(replace(request, key="code"), read_rows(path, 0))


def test_a_large_file_that_is_no_parquet_is_refused_in_one_line(tmp_path):
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"id,at\n" * 9)
    with pytest.raises(UsageError, match="expected Parquet in"):
        read_rows(path, 0)


def test_the_guesses_of_a_large_csv_are_those_of_a_small_one(tmp_path):
    frame = pq.read_table(write(tmp_path / "rows.parquet")).to_pandas().drop(columns="long")
    path = tmp_path / "rows.csv"
    frame.assign(word="Größe").to_csv(path, sep=";", decimal=",", index=False, encoding="cp1252")
    request = OnboardingRequest("mine", path, "label", "at", "id")
    large, small = (draft_pipeline(request, read_rows(path, bytes_min, tmp_path)) for bytes_min in (0, 1 << 40))
    assert large.encoding == "cp1252"
    assert replace(large, encoding_why="") == replace(small, encoding_why="")
