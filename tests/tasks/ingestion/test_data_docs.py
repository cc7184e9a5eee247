from datetime import date
from pathlib import Path

import pyarrow as pa

from tasks.config.pipeline import load_pipeline
from tasks.ingestion.data_docs import BatchSummary, as_markdown, render, totals, write_page
from tasks.ingestion.sources import Batch
from tasks.ingestion.validate import validate_batches
from tasks.ingestion.validation.findings import CheckResult
from tasks.ledger.records import BatchStatus


def checked(batch_id: str = "rows/2013-03-01", **changes: object) -> BatchSummary:
    fields = {
        "batch_id": batch_id,
        "table": "rows",
        "source": "primary",
        "received": 10,
        "accepted": 10,
        "quarantined": 0,
        "status": BatchStatus.ACCEPTED,
        "repairs": (),
        "findings": (),
        "checks": (CheckResult("x is missing", "warning", 0),),
    }
    return BatchSummary(**{**fields, **changes})


def test_text_of_a_source_is_escaped():
    page = render(
        "p", [checked(checks=(CheckResult("x is not a double", "warning", 1, ("<script>alert(1)</script>",)),))]
    )
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_checks_are_totalled_over_batches_and_sorted_by_failed_rows():
    failing = checked(
        "rows/2013-03-02", checks=(CheckResult("x is missing", "warning", 3), CheckResult("late", "warning", 4))
    )
    worst, other = totals([checked(), failing])
    assert (worst.name, worst.batches, worst.batches_failed, worst.rows_failed) == ("late", 1, 1, 4)
    assert (other.name, other.batches, other.batches_failed, other.rows_failed) == ("x is missing", 2, 1, 3)


def test_the_page_is_named_by_its_days_and_a_page_of_the_same_days_is_replaced(tmp_path):
    batches = [checked("rows/2013-03-02"), checked("rows/2013-03-01")]
    path = write_page(tmp_path / "pages", "p", batches)
    assert path == write_page(tmp_path / "pages", "p", batches)
    assert [each.name for each in (tmp_path / "pages").iterdir()] == ["2013-03-01_2013-03-02.html"]
    assert write_page(tmp_path / "none", "p", []) is None


def test_the_artifact_lists_batches_with_a_problem_or_repair_and_counts_those_it_leaves_out(tmp_path):
    repaired = [
        checked(f"rows/2013-03-{day:02}", repairs=("renamed a to b",), status=BatchStatus.REPAIRED)
        for day in range(1, 5)
    ]
    lines = as_markdown([checked(), *repaired], tmp_path / "page.html", rows_max=3)
    assert sum("renamed a to b" in line for line in lines) == 3
    assert lines[-1] == "… and 1 more, on the page."
    assert as_markdown([checked()], None) == []


def test_a_rejected_batch_is_on_the_page_with_the_reason():
    pipeline = load_pipeline("flights", Path("pipelines"))
    batch = Batch("flights", date(2013, 3, 1), "primary", b"", pa.table({"x": ["1"]}))
    [validated] = validate_batches(pipeline, "flights", [batch])
    found = BatchSummary.of(validated)
    assert found.status is BatchStatus.REJECTED
    assert "missing flight_id" in render("flights", [found])
