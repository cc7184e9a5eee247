"""A source of files: complete files that match the day's pattern, and the served days."""

import gzip
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from healing.errors import ConfigError, NotServed, Oversized, SourceUnavailable, Truncated
from tasks.config.sources_section import FilesEndpoint
from tasks.ingestion.sources import Lookup, ServedDays
from tasks.ingestion.sources.chain import OpenSource
from tasks.ingestion.sources.circuit import StoredCircuit
from tasks.ingestion.sources.day_pattern import any_day, day_in
from tasks.ingestion.sources.files import FilesReader
from tasks.ingestion.sources.retry import Retrier
from tests.tasks.ingestion.sources.serving import CSV, TABLE

DAYS = [date(2013, 3, 1), date(2013, 3, 2)]


def source(folder, pattern="{table}/{day}*.csv*", **changes) -> OpenSource:
    config = {"name": "primary", "kind": "files", "url": str(folder / "lake"), "tables": {"t": pattern}, "attempts": 1}
    endpoint = FilesEndpoint(**{**config, **changes})
    patience = Retrier(endpoint, StoredCircuit(folder / "primary.json", "files"))
    return OpenSource(
        "primary", FilesReader(endpoint, Lookup(), patience, ZoneInfo("UTC"), pattern.replace("{table}", "t")), patience
    )


@pytest.fixture
def lake(tmp_path):
    folder = tmp_path / "lake" / "t"
    folder.mkdir(parents=True)
    return folder


def test_a_batch_is_every_file_of_the_day_in_the_order_of_file_names(tmp_path, lake):
    (lake / "2013-03-01.part2.csv.gz").write_bytes(gzip.compress(b"id,at\nc,\n"))
    (lake / "2013-03-01.part1.csv").write_bytes(CSV)
    (lake / "2013-03-02.csv").write_bytes(b"id,at\n")
    first, second = source(tmp_path).fetch("t", TABLE, DAYS)
    assert first.rows["id"].tolist() == ["a", "b", "c"]
    assert (first.suffix, second.suffix) == ("zip", "csv")
    assert second.rows.empty


def test_a_day_without_files_is_not_served_and_the_error_shows_the_pattern(tmp_path, lake):
    with pytest.raises(NotServed, match=r"lake/t/2013-03-01\*\.csv"):
        list(source(tmp_path).fetch("t", TABLE, DAYS))


def test_directories_by_year_month_and_day_are_read_and_listed(tmp_path, lake):
    pattern = "t/{day:%Y/%m/%d}/*.csv"
    for day in ("2013/03/01", "2013/02/27", "2013/02/31"):  # the last is not a date
        (lake / day).mkdir(parents=True)
        (lake / day / "all.csv").write_bytes(CSV)
    files = source(tmp_path, pattern)
    assert files.days() == ServedDays(first=date(2013, 2, 27), last=date(2013, 3, 1))
    [batch] = files.fetch("t", TABLE, DAYS[:1])
    assert len(batch.rows) == 2


def test_today_is_not_a_served_day(tmp_path, lake):
    today = datetime.now(UTC).date()
    for day in (DAYS[0], today):
        (lake / f"{day}.csv").write_bytes(CSV)
    assert source(tmp_path).days() in [ServedDays(first=DAYS[0], last=today - timedelta(days=over)) for over in (0, 1)]


def test_files_on_any_file_system_are_read(tmp_path):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/t/2013-03-01.csv", CSV)
    [batch] = source(tmp_path, url="memory://bucket").fetch("t", TABLE, DAYS[:1])
    assert batch.content == CSV


def test_a_file_that_is_too_large_or_still_growing_is_refused(tmp_path, lake, monkeypatch):
    path = lake / "2013-03-01.csv"
    path.write_bytes(CSV)
    with pytest.raises(Oversized, match="at most 10 bytes"):
        list(source(tmp_path, batch_bytes_max=10).fetch("t", TABLE, DAYS[:1]))
    growing = source(tmp_path)
    opened = growing._reader._files.open

    def open_and_grow(*arguments):
        with path.open("ab") as more:
            more.write(b"c,\n")
        return opened(*arguments)

    monkeypatch.setattr(growing._reader._files, "open", open_and_grow)
    with pytest.raises(Truncated, match="expected 32 bytes"):
        list(growing.fetch("t", TABLE, DAYS[:1]))


def test_a_directory_in_place_of_a_file_is_an_error_of_the_source(tmp_path, lake):
    (lake / "2013-03-01.csv").mkdir()
    with pytest.raises(SourceUnavailable, match="source primary"):
        list(source(tmp_path).fetch("t", TABLE, DAYS[:1]))


def test_an_address_of_an_unknown_file_system_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="fsspec"):
        source(tmp_path, url="nosuch://bucket")


@pytest.mark.parametrize(
    ("pattern", "path", "day"),
    [
        ("t/{day}.csv", "t/2013-03-01.csv", DAYS[0]),
        ("t/{day:%Y%m%d}-*.csv.gz", "t/20130301-00.csv.gz", DAYS[0]),
        ("{day:%Y}/x/{day:%Y-%m-%d}.csv", "2013/x/2013-03-01.csv", DAYS[0]),
        ("{day:%Y}/x/{day:%Y-%m-%d}.csv", "2012/x/2013-03-01.csv", None),
        ("t/{day:%Y-%m}.csv", "t/2013-03.csv", None),  # a month is not a date
        ("t/{day}.csv", "t/2013-02-30.csv", None),
        ("t/{day}.csv", "t/2013-03-01xcsv", None),
    ],
)
def test_the_day_is_read_back_from_a_file_name(pattern, path, day):
    assert day_in(path, pattern) == day
    assert "{" not in any_day(pattern)


def test_adjacent_stars_become_one_except_a_double_star_for_any_folder():
    assert any_day("**/{day:%Y%m%d}*.csv") == "**/*.csv"
    assert any_day("{day:%Y/%m/%d}/x") == "*/*/*/x"
