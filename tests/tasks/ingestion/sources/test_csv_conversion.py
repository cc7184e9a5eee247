"""A large CSV is converted step by step; its rows and its faults are those of a small one."""

import bz2
import gzip
import io
import lzma
import random
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pytest

from healing.errors import NotData, Oversized, Truncated
from tasks.config.sources_section import FilesEndpoint
from tasks.ingestion.sources import Lookup, csv_rows, temporary_parquet, text_stream
from tasks.ingestion.sources.chain import OpenSource
from tasks.ingestion.sources.circuit import StoredCircuit
from tasks.ingestion.sources.csv_conversion import convert_csv
from tasks.ingestion.sources.document_errors import BrokenDocument
from tasks.ingestion.sources.files import FilesReader
from tasks.ingestion.sources.parquet_days import ParquetDays
from tasks.ingestion.sources.retry import Retrier
from tasks.ingestion.sources.text import as_utf8
from tasks.ingestion.sources.whole_files import WholeFilesReader
from tests.tasks.ingestion.sources.serving import TABLE

DAYS = [date(2013, 3, 1) + timedelta(days=day) for day in range(6)]


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    """Steps of a few bytes, so that a letter, a field and a row are cut between two of them."""
    monkeypatch.setattr(text_stream, "_STEP_BYTES", 7)
    monkeypatch.setattr(temporary_parquet, "_GROUP_BYTES", 100)


def converted(content: bytes, folder: Path, encoding: str | None = None):
    found = convert_csv(io.BytesIO(content).read, folder, encoding)
    rows = found.parquet.read()
    found.close()
    return rows, found.separator


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"id,at\n1,x\n2,\n", None),
        (b'\xef\xbb\xbf\r\nid;"a;\nt"\r\n1;"x\n y"\r\nNA;null\r\n', None),
        ("id|größe\n1|ü\n2|€\n".encode(), None),
        ("id\tgröße\n1\tü\n".encode("cp1252"), "cp1252"),
        ("id,größe\n1,ü\n2,€\n".encode("utf-16"), None),
        (b"id,at\n", None),
        (b"id,at\n\n\n\n\n\n\n\n\n\n\n\n1,2\n", None),
        (b"id,at\n1,2", None),
    ],
)
def test_the_rows_are_those_of_the_document_in_memory(tmp_path, content, encoding):
    rows, separator = converted(content, tmp_path, encoding)
    expected = csv_rows.read(as_utf8(content, encoding))
    assert rows.to_pydict() == expected.to_pydict()
    assert separator == csv_rows.separator_of(expected)


@pytest.mark.parametrize(
    "content",
    [
        b"id,at\n1,2\n1,2,3\n4,5\n",
        b"id,at\n1,2\n3",
        b"id,id\n1,2\n",
        b"id,at\n1,\0\n",
        b"id,at\n1,\xff\xfa\n",
        b"<html><body>sign in</body></html>",
        b'{"id": 1}',
        "id,at\n1,Zürich\n2,Genève\n".encode().decode("latin-1").encode(),
    ],
)
def test_a_fault_is_that_of_the_document_in_memory(tmp_path, content):
    with pytest.raises(BrokenDocument) as expected:
        csv_rows.read(content)
    with pytest.raises(BrokenDocument) as found:
        converted(content, tmp_path)
    assert type(found.value) is type(expected.value)
    assert list(tmp_path.iterdir()) == []


def source(folder: Path, *, streamed: bool, pattern: str = "*.csv") -> OpenSource:
    endpoint = FilesEndpoint(name="files", kind="files", url=str(folder), tables={"t": pattern}, attempts=1)
    retrier = Retrier(endpoint, StoredCircuit(folder / "circuit.json", "files"))
    files = FilesReader(endpoint, Lookup(), retrier, ZoneInfo("UTC"), pattern, folder)
    reader = WholeFilesReader(endpoint, files, retrier, ZoneInfo("UTC"), ("t", TABLE), 0 if streamed else 1 << 40)
    return OpenSource("files", reader, retrier)


def write(path: Path, seed: int, *, is_sorted: bool) -> None:
    random_ = random.Random(seed)
    seconds = [random_.randrange(5 * 86_400) for _ in range(80)]
    lines = [
        f"{seed}-{row},2013-03-0{1 + second // 86_400}T{second % 86_400 // 3600:02}:00,{random_.choice(['', 'é', '7'])}"
        for row, second in enumerate(sorted(seconds) if is_sorted else seconds)
    ]
    path.write_text("\n".join(["id,at,word", *lines, ""]))


@pytest.mark.parametrize("is_sorted", [True, False])
def test_the_batches_equal_those_of_files_held_in_memory(tmp_path, is_sorted):
    for seed in range(2):
        write(tmp_path / f"{seed}.csv", seed, is_sorted=is_sorted)
    here, there = (source(tmp_path, streamed=streamed) for streamed in (False, True))
    assert there.days() == here.days()
    assert there.row_counts("t", TABLE) == here.row_counts("t", TABLE)
    assert isinstance(there._reader._rows_by_day("t", TABLE, there._retrier.deadline()), ParquetDays)
    for one, other in zip(here.fetch("t", TABLE, DAYS), there.fetch("t", TABLE, DAYS), strict=True):
        assert other.text.to_pydict() == one.text.to_pydict()
        assert other.content == one.content
    for each in (here, there):
        each.close()
    assert {path.suffix for path in tmp_path.iterdir()} <= {".csv", ".json"}


@pytest.mark.parametrize(("content", "error"), [(b"id,at\n1,2,3\n", NotData), (b"id,at\n1,2\n3", Truncated)])
def test_a_broken_file_is_an_error_of_its_source(tmp_path, content, error):
    (tmp_path / "all.csv").write_bytes(content)
    with pytest.raises(error, match="source files: expected CSV in"):
        source(tmp_path, streamed=True).days()


PACK = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda content: pa.compress(content, "zstd", asbytes=True),
}


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_compressed_file_is_converted_like_a_plain_one(tmp_path, suffix, kind):
    write(tmp_path / "all.csv", 3, is_sorted=True)
    frame = pd.read_csv(tmp_path / "all.csv", dtype=str, keep_default_na=False)
    path = tmp_path / f"all.{kind}{suffix}"
    text = frame.to_csv(index=False) if kind == "csv" else frame.to_json(orient="records", lines=True)
    path.write_bytes(PACK[suffix](text.encode()))
    here, there = (source(tmp_path, streamed=streamed, pattern=path.name) for streamed in (False, True))
    assert isinstance(there._reader._rows_by_day("t", TABLE, there._retrier.deadline()), ParquetDays)
    for one, other in zip(here.fetch("t", TABLE, DAYS), there.fetch("t", TABLE, DAYS), strict=True):
        assert other.text.to_pydict() == one.text.to_pydict()
    for each in (here, there):
        each.close()


@pytest.mark.parametrize(
    ("make_content", "error"),
    [
        (lambda: gzip.compress(b"id,at\n1,2013-03-01\n" * 999)[:-9], Truncated),
        (lambda: b"id,at\n1,2013-03-01\n", NotData),
        (lambda: gzip.compress(b"id,at\n" + b"\n" * (80 << 20)), Oversized),
    ],
    ids=["cut off", "not compressed", "bomb"],
)
def test_a_compressed_file_that_is_broken_or_a_bomb_is_an_error_of_its_source(
    tmp_path, monkeypatch, make_content, error
):
    monkeypatch.setattr(text_stream, "_STEP_BYTES", 4 << 20)
    (tmp_path / "all.csv.gz").write_bytes(make_content())
    with pytest.raises(error, match="source files: expected CSV in"):
        source(tmp_path, streamed=True, pattern="all.csv.gz").days()
