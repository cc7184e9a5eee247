"""A complete report misses nothing, and each missing outcome is named."""

import pytest

from cli.demo.expected_outcomes import HEALED_BY, missing_outcomes
from cli.demo.report import IncidentSummary, Machine, ReleaseSummary, Report, Requests, Rows
from cli.demo.scenario import REQUESTS_MIN
from healing.incident import Cause, Status
from healing.release import Reason


def _incident(cause, remedy, status=Status.RECOVERED):
    return IncidentSummary(
        cause=cause, subject="s", status=status, remedies=(remedy,), detected_s=1, mitigated_s=2, recovered_s=3
    )


def _release(number, reason):
    return ReleaseSummary(generation=number, reason=reason, champion="1.0.0", challenger=None, author="a", note="")


@pytest.fixture
def complete():
    return Report(
        requests=Requests(total=REQUESTS_MIN, good=REQUESTS_MIN - 5, degraded=5, failed=0, wrong=0),
        rows=Rows(received=10, accepted=8, quarantined=1, duplicates=1),
        incidents=tuple(_incident(min(causes), remedy) for causes, remedy in HEALED_BY),
        releases=tuple(_release(number, reason) for number, reason in enumerate(Reason, start=1)),
        chapters=(),
        machine=Machine(cores=2, memory_gib=8),
        revision="abc",
    )


def test_complete_report_misses_nothing(complete):
    assert missing_outcomes(complete) == ()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"total": REQUESTS_MIN - 1, "good": REQUESTS_MIN - 6}, "at least"),
        ({"failed": 1, "good": REQUESTS_MIN - 6}, "no failed"),
        ({"wrong": 1, "good": REQUESTS_MIN - 6}, "no wrong"),
        ({"good": 1}, "exactly one class"),
    ],
)
def test_missing_failed_and_wrong_requests_are_reported(complete, change, word):
    report = complete.model_copy(update={"requests": complete.requests.model_copy(update=change)})
    [outcome] = missing_outcomes(report)
    assert word in outcome


@pytest.mark.parametrize(("change", "word"), [({"accepted": 7}, "received rows"), ({"quarantined": 0}, "quarantined")])
def test_rows_are_conserved_and_some_are_quarantined(complete, change, word):
    report = complete.model_copy(update={"rows": complete.rows.model_copy(update=change)})
    assert any(word in outcome for outcome in missing_outcomes(report))


@pytest.mark.parametrize("place", range(len(HEALED_BY)))
def test_every_incident_has_to_recover_by_its_remedy(complete, place):
    escalated = complete.incidents[place].model_copy(update={"status": Status.ESCALATED})
    others = tuple(each for each in complete.incidents if each is not complete.incidents[place])
    for incidents in ((*others, escalated), others):
        [outcome] = missing_outcomes(complete.model_copy(update={"incidents": incidents}))
        assert f"healed by {HEALED_BY[place][1]}" in outcome


def test_another_remedy_is_not_the_expected_one(complete):
    healed_otherwise = complete.incidents[0].model_copy(update={"remedies": ()})
    report = complete.model_copy(update={"incidents": (healed_otherwise, *complete.incidents[1:])})
    assert len(missing_outcomes(report)) == 1


@pytest.mark.parametrize("reason", [Reason.PROMOTE, Reason.ABORT, Reason.ROLLBACK])
def test_every_kind_of_release_has_to_appear(complete, reason):
    report = complete.model_copy(update={"releases": tuple(r for r in complete.releases if r.reason is not reason)})
    [outcome] = missing_outcomes(report)
    assert str(reason) in outcome


def test_causes_of_the_scenario_are_distinct():
    named = [cause for causes, _ in HEALED_BY for cause in causes]
    assert len(named) == len(set(named))
    assert Cause.UNKNOWN not in named
