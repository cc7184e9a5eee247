"""A file with many days is read once and returned one day at a time; no row is lost."""

from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from healing.errors import NotData
from tasks.config.sources_section import FilesEndpoint
from tasks.ingestion.sources import Lookup, ServedDays
from tasks.ingestion.sources.chain import OpenSource
from tasks.ingestion.sources.circuit import StoredCircuit
from tasks.ingestion.sources.files import FilesReader
from tasks.ingestion.sources.retry import Retrier
from tasks.ingestion.sources.whole_files import WholeFilesReader
from tests.tasks.ingestion.sources.serving import TABLE

DAYS = [date(2013, 3, day) for day in (1, 2, 3)]


def source(folder: Path, pattern: str = "all*.csv", table=TABLE, zone: str = "UTC") -> OpenSource:
    endpoint = FilesEndpoint(name="files", kind="files", url=str(folder), tables={"t": pattern}, attempts=1)
    patience = Retrier(endpoint, StoredCircuit(folder / "circuit.json", "files"))
    files = FilesReader(endpoint, Lookup(), patience, ZoneInfo(zone), pattern)
    return OpenSource("files", WholeFilesReader(endpoint, files, patience, ZoneInfo(zone), ("t", table)), patience)


def write(folder: Path, *rows: str, name: str = "all.csv") -> None:
    (folder / name).write_text("\n".join(["id,at", *rows, ""]))


def test_rows_come_by_day_in_their_order_in_the_file_and_a_gap_is_an_empty_day(tmp_path):
    write(tmp_path, "c,2013-03-03", "a,2013-03-01T23:59", "b,2013-03-01T00:00")
    files = source(tmp_path)
    assert files.days() == ServedDays(first=DAYS[0], last=DAYS[2], rows_per_day=1.0)
    first, gap, last = files.fetch("t", TABLE, DAYS)
    assert first.rows["id"].tolist() == ["a", "b"]
    assert gap.rows.empty
    assert list(gap.rows.columns) == ["id", "at"]
    assert last.rows["id"].tolist() == ["c"]
    assert first.content == b'"id","at"\n"a","2013-03-01T23:59"\n"b","2013-03-01T00:00"\n'


def test_a_row_whose_time_cannot_be_read_goes_with_the_row_before_it(tmp_path):
    write(tmp_path, "a,yesterday", "b,2013-03-01", "c,", "d,2013-03-02")
    first, second = source(tmp_path).fetch("t", TABLE, DAYS[:2])
    assert first.rows["id"].tolist() == ["a", "b", "c"]
    assert second.rows["id"].tolist() == ["d"]


def test_several_files_are_read_together_and_split_by_local_day(tmp_path):
    write(tmp_path, "a,2013-03-02T03:00:00Z")
    write(tmp_path, "b,2013-03-01T12:00:00Z", name="all-2.csv")
    [batch] = source(tmp_path, zone="America/New_York").fetch("t", TABLE, DAYS[:1])
    assert batch.rows["id"].tolist() == ["b", "a"]


def test_a_file_is_read_once_however_many_days_are_asked_for(tmp_path):
    write(tmp_path, *(f"{day},{day}" for day in DAYS))
    files = source(tmp_path)
    files.days()
    (tmp_path / "all.csv").unlink()
    assert [batch.day for batch in files.fetch("t", TABLE, DAYS)] == DAYS


@pytest.mark.parametrize(
    ("content", "message"), [("id,when\na,2013-03-01\n", "expected column 'at'"), ("id,at\na,soon\n", "found none")]
)
def test_a_file_without_times_is_refused(tmp_path, content, message):
    (tmp_path / "all.csv").write_text(content)
    with pytest.raises(NotData, match=message):
        source(tmp_path).days()


def test_a_pattern_with_a_day_reads_one_file_per_day(tmp_path):
    write(tmp_path, "a,2013-03-01", name="2013-03-01.csv")
    files = source(tmp_path, "{day}.csv")
    assert files.days() == ServedDays(first=DAYS[0], last=DAYS[0])
    [batch] = files.fetch("t", TABLE, DAYS[:1])
    assert batch.content == b"id,at\na,2013-03-01\n"


def columns_by_day(folder: Path) -> list[list[str]]:
    return [list(batch.rows.columns) for batch in source(folder).fetch("t", TABLE, DAYS)]


def test_a_day_has_the_columns_that_all_its_files_have(tmp_path):
    (tmp_path / "all-1.csv").write_text("id,at,x\na,2013-03-01,1\nb,2013-03-02,2\n")
    (tmp_path / "all-2.csv").write_text("new;x;at;id\nz;3;2013-03-02;c\nz;4;2013-03-03;d\n")
    assert columns_by_day(tmp_path) == [["id", "at", "x"], ["id", "at", "x"], ["new", "x", "at", "id"]]
    first, second, third = source(tmp_path).fetch("t", TABLE, DAYS)
    assert second.rows.to_dict("list") == {"id": ["b", "c"], "at": ["2013-03-02"] * 2, "x": ["2", "3"]}
    assert (first.rows["x"].tolist(), third.rows["new"].tolist()) == (["1"], ["z"])


def test_a_column_that_a_newer_file_lacks_is_missing_from_its_days_only(tmp_path):
    (tmp_path / "all-1.csv").write_text("id,at,x\na,2013-03-01,1\n")
    (tmp_path / "all-2.csv").write_text("id,at\nb,2013-03-02\n")
    assert columns_by_day(tmp_path)[:2] == [["id", "at", "x"], ["id", "at"]]


def test_a_file_without_the_event_time_is_refused_also_beside_others(tmp_path):
    (tmp_path / "all-1.csv").write_text("id,at\na,2013-03-01\n")
    (tmp_path / "all-2.csv").write_text("id,x\nb,1\n")
    with pytest.raises(NotData, match="expected column 'at'"):
        source(tmp_path).days()


def test_the_rows_of_each_day_are_counted(tmp_path):
    write(tmp_path, "a,2013-03-01", "b,2013-03-03", "c,2013-03-01")
    assert source(tmp_path).row_counts("t", TABLE) == {DAYS[0]: 2, DAYS[2]: 1}
    write(tmp_path, "a,2013-03-01", name="2013-03-01.csv")
    assert source(tmp_path, "{day}.csv").row_counts("t", TABLE) is None
