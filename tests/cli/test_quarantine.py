"""`autopilot quarantine` shows what is in quarantine and why, for people and for programs."""

import json
from datetime import date

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from cli.quarantine import app
from healing.errors import UsageError
from tasks.ingestion.quarantine import QuarantineNote, Refusal, keep_refused, keep_rows
from tasks.ingestion.sources import Batch
from tests.flows.durability.world import World

DAY = date(2013, 3, 2)
BATCH = f"rows/{DAY}"
SENT = b"id,at,kind,x\na,2013-03-02T10:00:00Z,a,1\nb,2013-03-02T11:00:00Z,b,\n"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(World(tmp_path).build().pipelines))
    return tmp_path / "home"


@pytest.fixture
def quarantined(home):
    root = home / "quarantine/small"
    reasons = {"x is missing": 1}
    note = QuarantineNote(
        batch_id=BATCH,
        table="rows",
        day=DAY,
        source="primary",
        received=2,
        quarantined=1,
        reasons=reasons,
        rows={1: "x is missing"},
    )
    keep_rows(root, Batch("rows", DAY, "primary", SENT, pa.table({})), note)
    refusal = Refusal(batch_id=BATCH, table="rows", day=DAY, source="mirror", error="NotData", reason="a page")
    keep_refused(root, b"<html>", "csv", refusal)
    return root


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_an_empty_quarantine_says_so(home):
    assert said("list", "small") == "Nothing is in quarantine.\n"


def test_lists_batches_with_their_commonest_reason_and_what_was_refused(quarantined):
    _, batch, refused = (" ".join(line.split()) for line in said("list", "small").splitlines())
    assert batch == f"{BATCH} 1 of 2 rows x is missing"
    assert refused == f"{BATCH} refused from mirror a page"


def test_shows_the_rows_as_they_were_sent(quarantined):
    shown = said("show", "small", BATCH)
    assert "row 1: x is missing" in shown
    assert "id=b" in shown
    document = json.loads(said("show", "small", BATCH, "--json"))
    assert document["original"] == str(quarantined / BATCH / "original.csv")
    [row] = document["rows"]
    assert (row["row"], row["sent"]["id"], row["sent"]["x"]) == (1, "b", None)


def test_a_batch_that_is_not_there_is_a_usage_error(quarantined):
    with pytest.raises(UsageError, match="quarantine list"):
        said("show", "small", "rows/1999-01-01")
