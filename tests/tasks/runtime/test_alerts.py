"""An alert reaches the file and every working address, whichever address is broken."""

import json
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from healing.errors import StoreUnavailable
from healing.incident import Cause, Incident, Status
from tasks.runtime.alerts import AlertReport, alert

NOW = datetime(2013, 6, 1, tzinfo=UTC)
INCIDENT = Incident("i-1", "flights", Cause.MODEL_CORRUPT, "abc", Status.HEALING, NOW)


def test_the_file_has_one_line_per_alert(tmp_path):
    file = tmp_path / "deep" / "alerts.jsonl"
    assert alert(INCIDENT, "no model is intact", NOW, file=file) == AlertReport(0, 0)
    alert(INCIDENT, "again", NOW, file=file)
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    assert [entry["reason"] for entry in entries] == ["no model is intact", "again"]
    assert entries[0]["cause"] == "model_corrupt"


def test_an_unusable_address_is_counted_and_the_file_is_written(tmp_path):
    report = alert(INCIDENT, "why", NOW, file=tmp_path / "alerts.jsonl", urls=(SecretStr("nonsense"),))
    assert report == AlertReport(delivered=0, undelivered=1)
    assert (tmp_path / "alerts.jsonl").exists()


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match=r"alerts\.jsonl"):
        alert(INCIDENT, "why", NOW, file=tmp_path / "file" / "alerts.jsonl")
