"""A large file of JSON lines is converted in pieces; its rows and its faults are those of a small one."""

import io
from pathlib import Path

import pytest

from tasks.ingestion.sources import json_conversion, json_rows, temporary_parquet, text_stream
from tasks.ingestion.sources.document_errors import BrokenDocument, TooLarge
from tasks.ingestion.sources.json_conversion import convert_json_lines


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """A few bytes per step, per piece and per row group."""
    monkeypatch.setattr(text_stream, "_STEP_BYTES", 7)
    monkeypatch.setattr(json_conversion, "_PIECE_BYTES", 60)
    monkeypatch.setattr(temporary_parquet, "_GROUP_BYTES", 40)


def converted(content: bytes, folder: Path):
    found = convert_json_lines(io.BytesIO(content).read, folder)
    rows = found.parquet.read()
    found.close()
    return rows


@pytest.mark.parametrize(
    "content",
    [
        b'{"id": 1, "at": "x"}\n{"id": 2, "at": null}\n',
        b'\xef\xbb\xbf{"id": 1.5}\r\n\n\n{"id": true}',
        '{"id": "größe"}\n{"id": "€"}\n'.encode(),
        b"".join(b'{"id": %d, "c%d": "v"}\n' % (row, row // 4) for row in range(12)),
        b'{"a": 1}\n{"b": 2}\n{"a": 9007199254740993}\n',
    ],
)
def test_the_rows_are_those_of_the_document_in_memory(tmp_path, content):
    expected = json_rows.read_lines(content)
    found = converted(content, tmp_path)
    assert found.column_names == expected.column_names
    assert found.to_pydict() == expected.to_pydict()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b'{"id": 1}\n{"id": 2',
        b'{"id": 1}\n\n{"id" 2}\n{"id": 3}\n',
        b"<html><body>sign in</body></html>",
        b'{"id": [1]}\n',
        '{"id": "Zürich"}\n{"id": "Genève"}\n'.encode().decode("latin-1").encode(),
    ],
)
def test_a_fault_is_that_of_the_document_in_memory(tmp_path, content):
    with pytest.raises(BrokenDocument) as expected:
        json_rows.read_lines(content)
    with pytest.raises(BrokenDocument) as found:
        converted(content, tmp_path)
    assert type(found.value) is type(expected.value)
    assert str(found.value)[:30] == str(expected.value)[:30]
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_never_ends_is_refused(tmp_path):
    with pytest.raises(TooLarge, match="a line of more than 60 bytes"):
        converted(b'{"id": "' + b"x" * 500 + b'"}\n', tmp_path)
