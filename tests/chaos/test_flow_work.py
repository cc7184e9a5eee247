"""Whether the work of a disturbed retrain or release was done exactly once."""

import pytest

from chaos.flow_work import missing_work
from chaos.record import LedgerEntry
from chaos.spec import FlowEnd


def entry(kind, subject="plan", **detail):
    return LedgerEntry(at=0.0, kind=kind, subject=subject, detail=detail)


STARTED = entry("retrain.started")
PUBLISHED = entry("model.published", "digest")
PROMOTED = entry("retrain.finished", result="promoted")
TRIAL = {"reason": "canary", "challenger": {"model": {"digest": "digest"}}}
PROMOTION = {"reason": "promote", "challenger": None}
ABORT = {"reason": "abort", "challenger": None}


@pytest.mark.parametrize(
    ("entries", "releases", "missing"),
    [
        ([STARTED, STARTED, PUBLISHED, PROMOTED], [TRIAL, PROMOTION], []),
        ([STARTED, PUBLISHED, PUBLISHED, PROMOTED], [TRIAL, PROMOTION], []),  # the same model, published again
        ([STARTED, PUBLISHED], [TRIAL, PROMOTION], ["the retrain has no end on record"]),
        ([PROMOTED, STARTED, PUBLISHED], [TRIAL, PROMOTION], ["the retrain has no end on record"]),  # it runs again
        ([STARTED, PUBLISHED, PROMOTED], [TRIAL], ["a trial is not over"]),
        ([STARTED, PUBLISHED, PROMOTED], [TRIAL, ABORT], ["expected 1 promotions, found 0"]),
        ([STARTED, PUBLISHED, PROMOTED], [TRIAL, PROMOTION] * 2, ["expected 1 promotions, found 2"]),
        (
            [STARTED, PUBLISHED, entry("model.published", "other"), PROMOTED],
            [TRIAL, PROMOTION],
            ["expected 1 published models, found 2"],
        ),
        (
            [STARTED, PUBLISHED, entry("retrain.finished", result="failed")],
            [TRIAL, PROMOTION],
            ["expected the retrain to end promoted, found failed"],
        ),
    ],
)
def test_a_retrain_publishes_one_model_and_promotes_it_once(entries, releases, missing):
    assert missing_work("retrain", FlowEnd.PROMOTED, entries, releases) == missing


def test_a_release_alone_needs_one_promotion_and_no_report():
    assert missing_work("release", FlowEnd.PROMOTED, [], [TRIAL, PROMOTION]) == []
    assert missing_work("release", FlowEnd.PROMOTED, [], []) == ["expected 1 promotions, found 0"]


def test_a_candidate_that_a_comparison_blocks_is_neither_published_nor_released():
    report = entry("retrain.finished", result="not_better")
    assert missing_work("retrain", FlowEnd.NOT_BETTER, [STARTED, report], []) == []
    released = missing_work("retrain", FlowEnd.NOT_BETTER, [STARTED, PUBLISHED, report], [TRIAL, PROMOTION])
    assert released == ["expected 0 promotions, found 1", "expected 0 published models, found 1"]
