"""Every format and compression gives the same rows, and a broken document is named."""

import bz2
import gzip
import io
import json
import lzma
from contextlib import suppress
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from healing.errors import NotData, Oversized, SourceUnavailable, Truncated
from tasks.config.sources_section import FilesEndpoint
from tasks.ingestion.sources.document import Document
from tests.examples import examples

MOMENT = datetime(2013, 3, 1, 5, tzinfo=UTC)
ROWS = [
    {"id": "a", "n": 1, "x": 0.1, "ok": True, "at": MOMENT},
    {"id": "Zürich", "n": None, "x": 1e300, "ok": False, "at": MOMENT},
    {"id": None, "n": 9_007_199_254_740_993, "x": None, "ok": None, "at": None},
]
CSV = """\
id,n,x,ok,at
a,1,0.1,true,2013-03-01T05:00:00Z
Zürich,,1e300,false,2013-03-01T05:00:00Z
NA,9007199254740993,,,
"""


def document(content: bytes, path: str, **changes) -> Document:
    limits = {key: changes.pop(key) for key in list(changes) if key.endswith("_max")}
    endpoint = FilesEndpoint(name="primary", kind="files", url="/", **limits)
    return Document(endpoint, f"/{path}", path, content, **changes)


def parquet(rows=ROWS) -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), written)
    return written.getvalue()


def as_json(rows=ROWS) -> bytes:
    return json.dumps(rows, default=lambda moment: moment.isoformat()).encode()


def as_lines(rows=ROWS) -> bytes:
    return b"".join(json.dumps(row, default=lambda moment: moment.isoformat()).encode() + b"\n" for row in rows)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("t.csv", CSV.encode()),
        ("t.csv", CSV.replace("\n", "\r\n").encode()),
        ("t.CSV.gz", gzip.compress(CSV.encode())),
        ("t.csv.bz2", bz2.compress(CSV.encode())),
        ("t.csv.xz", lzma.compress(CSV.encode())),
        ("t.csv.zst", pa.compress(CSV.encode(), "zstd", asbytes=True)),
        ("t.json", as_json()),
        ("t.json.gz", gzip.compress(as_json())),
        ("t.jsonl", as_lines()),
        ("t.ndjson", as_lines().rstrip()),
        ("t.parquet", parquet()),
    ],
)
def test_every_format_and_compression_gives_the_same_rows(path, content):
    rows = document(content, path).rows().to_pandas()
    assert rows["id"].tolist() == ["a", "Zürich", None]
    assert rows["n"].tolist() == ["1", None, "9007199254740993"]
    assert [None if text is None else float(text) for text in rows["x"]] == [0.1, 1e300, None]
    assert rows["ok"].tolist() == ["true", "false", None]
    moments = pd.to_datetime(rows["at"], format="ISO8601", utc=True)
    assert moments.tolist()[:2] == [MOMENT, MOMENT]
    assert moments.isna().tolist() == [False, False, True]


def test_rows_in_a_json_object_are_found_by_their_path():
    content = json.dumps({"result": {"items": [{"id": "a"}]}}).encode()
    assert document(content, "t.json", records="result.items").rows()["id"].to_pylist() == ["a"]
    with pytest.raises(NotData, match="not an array of rows"):
        document(content, "t.json").rows()
    with pytest.raises(NotData, match=r"NoneType at 'result\.rows'"):
        document(content, "t.json", records="result.rows").rows()


def test_a_document_may_have_no_rows():
    assert document(b"id,at\n", "t.csv").rows().column_names == ["id", "at"]
    assert document(b"[]", "t.json").rows().num_rows == 0
    assert document(parquet([])[:], "t.parquet").rows().num_rows == 0


def test_a_quoted_field_may_hold_commas_quotes_and_line_breaks():
    rows = document(b'id,at\n"a ""b"",\nc",1\n', "t.csv").rows()
    assert rows["id"].to_pylist() == ['a "b",\nc']


@pytest.mark.parametrize(
    ("path", "content", "error", "found"),
    [
        ("t.parquet", parquet()[:-9], Truncated, "without its footer"),
        ("t.parquet", b"PAR1" + b"\0" * 40 + b"PAR1", NotData, "no Parquet"),
        ("t.parquet", b"<html>", NotData, "no Parquet"),
        ("t.csv.gz", gzip.compress(CSV.encode() * 50)[:-20], Truncated, "ends too early"),
        ("t.csv.gz", b"<html>not zipped", NotData, "no .gz"),
        ("t.csv.bz2", b"BZh9 nonsense", NotData, "no .bz2"),
        ("t.csv.xz", lzma.compress(CSV.encode())[:-8], Truncated, "ends too early"),
        ("t.json", as_json()[:-30], Truncated, "ends early"),
        ("t.json", b"[{'id': 1}]", NotData, "invalid JSON"),
        ("t.json", b"[1, 2]", NotData, "int as row 0, not an object"),
        ("t.json", b'[{"id": {"deep": 1}}]', NotData, "dict in 'id'"),
        ("t.json", b'{"error": "quota"}', NotData, "not an array"),
        ("t.ndjson", as_lines()[:-20], Truncated, "last line that is cut off"),
        ("t.ndjson", b'{"id": 1}\noops\n{"id": 2}\n', NotData, "line 2"),
    ],
)
def test_a_broken_document_is_named_and_its_bytes_are_kept(path, content, error, found):
    with pytest.raises(error, match=found) as caught:
        document(content, path).rows()
    assert caught.value.original == content
    assert caught.value.suffix.split(".")[0] in path.lower()


def test_a_small_file_that_unpacks_to_more_than_a_batch_is_refused():
    bomb = gzip.compress(b"id\n" + b"0\n" * 5_000_000)
    assert len(bomb) < 100_000
    with pytest.raises(Oversized, match="unpack to more than 1000000"):
        document(bomb, "t.csv.gz", batch_bytes_max=1_000_000).rows()
    wide = parquet([{"id": "x" * 1000}] * 10_000)
    with pytest.raises(Oversized, match=r"bytes of columns|a value"):
        document(wide, "t.parquet", batch_bytes_max=1_000, field_bytes_max=100).rows()


@examples(200)
@given(
    path=st.sampled_from(["t.csv", "t.json", "t.ndjson", "t.parquet", "t.csv.gz"]),
    whole=st.sampled_from([CSV.encode(), as_json(), as_lines(), parquet(), gzip.compress(CSV.encode())]),
    cut=st.integers(0, 400),
    noise=st.binary(max_size=8),
    at=st.integers(0, 400),
)
def test_any_bytes_give_rows_or_an_error_of_the_source(path, whole, cut, noise, at):
    content = whole[: max(0, len(whole) - cut)]
    content = content[:at] + noise + content[at + len(noise) :]
    with suppress(SourceUnavailable):
        rows = document(content, path).rows()
        assert all(pa.types.is_string(rows[name].type) for name in rows.column_names)
