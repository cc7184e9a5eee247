import json
from datetime import date

import pyarrow as pa
import pytest

from tasks.ingestion.quarantine import (
    ORIGINAL,
    QuarantineNote,
    Refusal,
    keep_refused,
    keep_rows,
    read_notes,
    read_refusals,
)
from tasks.ingestion.sources import Batch


def batch(content: bytes, suffix: str = "csv") -> Batch:
    return Batch("flights", date(2013, 3, 1), "primary", content, pa.table({}), suffix)


def note(day: date, **changes) -> QuarantineNote:
    fields = {
        "batch_id": f"flights/{day}",
        "table": "flights",
        "day": day,
        "source": "primary",
        "received": 3,
        "quarantined": 1,
        "reasons": {"distance is missing": 1},
        "rows": {2: "distance is missing"},
    }
    return QuarantineNote(**{**fields, **changes})


def test_the_original_bytes_are_stored_with_the_reason(tmp_path):
    folder = keep_rows(tmp_path, batch(b"\xff\x00raw"), note(date(2013, 3, 1)))
    assert (folder / ORIGINAL).read_bytes() == b"\xff\x00raw"
    assert read_notes(tmp_path) == [note(date(2013, 3, 1))]


def test_the_same_batch_again_replaces_the_earlier_entry(tmp_path):
    keep_rows(tmp_path, batch(b"old"), note(date(2013, 3, 1)))
    folder = keep_rows(tmp_path, batch(b"new"), note(date(2013, 3, 1), quarantined=2))
    assert (folder / ORIGINAL).read_bytes() == b"new"
    assert [each.quarantined for each in read_notes(tmp_path)] == [2]
    assert sorted(path.name for path in folder.iterdir()) == ["original.csv", "reason.json"]


def test_notes_are_sorted_by_day(tmp_path):
    for day in (date(2013, 3, 2), date(2013, 3, 1)):
        keep_rows(tmp_path, batch(b""), note(day))
    assert [each.day.day for each in read_notes(tmp_path)] == [1, 2]


def test_a_folder_without_its_note_is_not_listed(tmp_path):
    keep_rows(tmp_path, batch(b""), note(date(2013, 3, 1)))
    unfinished = tmp_path / "flights/2013-03-02"
    unfinished.mkdir()
    (unfinished / ORIGINAL).write_bytes(b"half")
    assert len(read_notes(tmp_path)) == 1


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    folder = keep_rows(tmp_path, batch(b"old"), note(date(2013, 3, 1)))
    with pytest.raises(TypeError):
        keep_rows(tmp_path, batch("text, not bytes"), note(date(2013, 3, 1)))
    assert (folder / ORIGINAL).read_bytes() == b"old"
    assert sorted(path.name for path in folder.iterdir()) == ["original.csv", "reason.json"]


def test_a_refusal_is_stored_beside_the_batch_and_is_not_a_note(tmp_path):
    refusal = Refusal(
        batch_id="flights/2013-03-01",
        table="flights",
        day=date(2013, 3, 1),
        source="primary",
        error="NotData",
        reason="a page",
    )
    folder = keep_refused(tmp_path, b"<html>", "csv", refusal)
    assert (folder / ORIGINAL).read_bytes() == b"<html>"
    assert read_refusals(tmp_path) == [refusal]
    assert read_notes(tmp_path) == []


def test_bytes_are_stored_under_the_extension_of_their_format(tmp_path):
    folder = keep_rows(tmp_path, batch(b"[]", "json.gz"), note(date(2013, 3, 1)))
    assert (folder / "original.json.gz").read_bytes() == b"[]"


def test_a_note_of_an_older_version_keeps_its_releases(tmp_path):
    folder = keep_rows(tmp_path, batch(b""), note(date(2013, 3, 1)))
    document = json.loads((folder / "reason.json").read_text())
    del document["releases"]
    document["vouched"] = [{"by": "ada", "why": "checked", "at": "2013-03-02T00:00:00Z", "rows": [2]}]
    (folder / "reason.json").write_text(json.dumps(document))
    [read] = read_notes(tmp_path)
    assert [(each.by, each.rows) for each in read.releases] == [("ada", (2,))]
