"""Large Parquet files are read row group by row group; every batch equals that of the same files held in memory."""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from healing.errors import NotData, Oversized, Truncated
from tasks.config.sources_section import FilesEndpoint
from tasks.ingestion.sources import Lookup
from tasks.ingestion.sources.chain import OpenSource
from tasks.ingestion.sources.circuit import StoredCircuit
from tasks.ingestion.sources.files import FilesReader
from tasks.ingestion.sources.parquet_days import ParquetDays
from tasks.ingestion.sources.retry import Retrier
from tasks.ingestion.sources.whole_files import WholeFilesReader
from tests.tasks.ingestion.sources.serving import TABLE

FIRST = datetime(2013, 3, 1, tzinfo=UTC)
DAYS = [date(2013, 2, 28) + timedelta(days=day) for day in range(7)]


def source(folder: Path, *, streamed: bool, zone: str = "UTC", **limits: int) -> OpenSource:
    settings = {"name": "files", "kind": "files", "url": str(folder), "tables": {"t": "*.parquet"}, "attempts": 1}
    endpoint = FilesEndpoint.model_validate({**settings, **limits})
    retrier = Retrier(endpoint, StoredCircuit(folder / "circuit.json", "files"))
    files = FilesReader(endpoint, Lookup(), retrier, ZoneInfo(zone), "*.parquet")
    bytes_min = 0 if streamed else 1 << 40
    reader = WholeFilesReader(endpoint, files, retrier, ZoneInfo(zone), ("t", TABLE), bytes_min)
    return OpenSource("files", reader, retrier)


def write(path: Path, columns: Mapping[str, Sequence[object]], group_rows: int = 7) -> None:
    pq.write_table(pa.table(dict(columns)), path, row_group_size=group_rows)


def rows(seed: int, count: int, *, is_sorted: bool, missing_times: float) -> dict[str, list[object]]:
    random_ = random.Random(seed)
    seconds = [random_.uniform(0, 4.5 * 86_400) for _ in range(count)]
    times = [FIRST + timedelta(seconds=each) for each in (sorted(seconds) if is_sorted else seconds)]
    known = [None if random_.random() < missing_times else each for each in times[:-1]]
    return {
        "id": [f"{seed}-{row}" for row in range(count)],
        "at": [*known, times[-1]],
        "x": [random_.choice([None, random_.gauss(0, 1e9), float("nan")]) for _ in range(count)],
        "n": [random_.choice([None, 2**62 + row]) for row in range(count)],
        "word": [random_.choice(["NA", "", "é", None]) for _ in range(count)],
    }


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
@pytest.mark.parametrize("is_sorted", [True, False])
@pytest.mark.parametrize("missing_times", [0.0, 0.3])
def test_the_batches_equal_those_of_a_file_held_in_memory(tmp_path, zone, is_sorted, missing_times):
    for seed in range(2):
        write(tmp_path / f"{seed}.parquet", rows(seed, 60, is_sorted=is_sorted, missing_times=missing_times))
    here, there = (source(tmp_path, streamed=streamed, zone=zone) for streamed in (False, True))
    assert there.days() == here.days()
    assert there.row_counts("t", TABLE) == here.row_counts("t", TABLE)
    for one, other in zip(here.fetch("t", TABLE, DAYS), there.fetch("t", TABLE, DAYS), strict=True):
        assert other.day == one.day
        assert other.text.to_pydict() == one.text.to_pydict()
        assert other.content == one.content


def test_a_day_has_the_columns_that_every_file_with_rows_of_it_has(tmp_path):
    at = [FIRST, FIRST + timedelta(days=1)]
    write(tmp_path / "1.parquet", {"id": ["a", "b"], "at": at, "x": [1, 2]})
    write(tmp_path / "2.parquet", {"id": ["c", "d"], "at": [each + timedelta(days=1) for each in at], "new": [3, 4]})
    batches = list(source(tmp_path, streamed=True).fetch("t", TABLE, DAYS[1:4]))
    assert [batch.text.column_names for batch in batches] == [["id", "at", "x"], ["id", "at"], ["id", "at", "new"]]


def test_few_row_groups_are_held_however_many_a_file_has(tmp_path):
    write(tmp_path / "all.parquet", rows(1, 200, is_sorted=True, missing_times=0), group_rows=10)
    files = source(tmp_path, streamed=True)
    assert sum(batch.text.num_rows for batch in files.fetch("t", TABLE, DAYS)) == 200
    [days] = files._reader._by_day.values()
    assert isinstance(days, ParquetDays)
    assert len(days._held) <= 2


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "all.parquet"
    write(path, rows(1, 60, is_sorted=True, missing_times=0))
    files = source(tmp_path, streamed=True)
    files.days()
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(Truncated, match=r"all\.parquet"):
        list(files.fetch("t", TABLE, DAYS))


def test_a_day_above_the_limits_of_a_batch_is_refused(tmp_path):
    write(tmp_path / "all.parquet", rows(1, 60, is_sorted=True, missing_times=0))
    with pytest.raises(Oversized, match="more than 3"):
        list(source(tmp_path, streamed=True, batch_rows_max=3).fetch("t", TABLE, DAYS))


def test_files_without_the_time_or_without_parquet_are_refused_in_one_line(tmp_path):
    path = tmp_path / "all.parquet"
    write(path, {"id": ["a"], "when": [FIRST]})
    with pytest.raises(NotData, match="expected column 'at'"):
        source(tmp_path, streamed=True).days()
    path.write_bytes(b"id,at\n")
    with pytest.raises(NotData, match="no Parquet"):
        source(tmp_path, streamed=True).days()
