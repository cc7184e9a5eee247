"""Incidents are timed from their own fault, and the page needs no network."""

import re
from datetime import UTC, date, datetime, timedelta

from chaos.load import Answer
from cli.demo.classify import RequestClass
from cli.demo.demo_stack import ExpectedIncident
from cli.demo.report import Machine, Material, Report, incident_summary, render, requests_report, rows_report
from healing.incident import Attempt, AttemptOutcome, Cause, Incident, Remedy, Status
from healing.verdict import Outcome, Verdict
from tasks.ledger.records import BatchRecord, BatchStatus, CheckRecord

NOW = datetime(2013, 3, 1, tzinfo=UTC)


def at(seconds):
    return NOW + timedelta(seconds=seconds)


def _incident(**changes):
    values = {
        "id": "i",
        "pipeline": "p",
        "cause": Cause.NULL_SPIKE,
        "subject": "<b>flights</b>",
        "status": Status.RECOVERED,
        "detected_at": at(10),
        "mitigated_at": at(12),
        "ended_at": at(15),
        "attempts": (Attempt(1, Remedy.QUARANTINE_BATCH, at(11), AttemptOutcome.SUCCEEDED, at(12)),),
    }
    return Incident(**{**values, **changes})


def test_an_incident_is_timed_from_the_last_fault_of_its_cause():
    faults = [
        ExpectedIncident(frozenset({Cause.NULL_SPIKE}), at(1)),
        ExpectedIncident(frozenset({Cause.NULL_SPIKE}), at(7)),
        ExpectedIncident(frozenset({Cause.SCHEMA_BREAK}), at(9)),
        ExpectedIncident(frozenset({Cause.NULL_SPIKE}), at(11)),
    ]
    report = incident_summary(_incident(), faults)
    assert (report.detected_s, report.mitigated_s, report.recovered_s) == (3, 5, 8)


def test_an_incident_without_a_known_fault_is_timed_from_its_detection():
    report = incident_summary(_incident(), [])
    assert (report.detected_s, report.mitigated_s, report.recovered_s) == (0, 2, 5)


def test_an_incident_that_was_not_healed_has_no_recovery_time():
    assert incident_summary(_incident(status=Status.ESCALATED), []).recovered_s is None


def _batch(status=BatchStatus.REPAIRED):
    return BatchRecord("p", "flights/2013-03-01", "flights", date(2013, 3, 1), "primary", 9, 6, 2, 1, status, NOW)


def test_page_is_self_contained_and_escapes_what_it_shows():
    answers = [Answer(i, "1/0", 100 + i, 100 + i, 100.01 + i, 200, (0.5,)) for i in range(4)]
    classes = [RequestClass.GOOD, RequestClass.DEGRADED, RequestClass.GOOD, RequestClass.GOOD]
    verdict = Verdict("quality", Outcome.FAIL, "loss", 100, 0.3, 0.2)
    records = [CheckRecord("p", Cause.QUALITY_DROP, verdict, at(0), at(60), at(61))]
    report = Report(
        requests=requests_report(classes),
        rows=rows_report([_batch()]),
        incidents=(incident_summary(_incident(), []),),
        releases=(),
        chapters=(),
        machine=Machine(cores=2, memory_gib=8),
        revision="abc",
        missing=("a promotion",),
    )
    page = render(report, Material(answers, classes, [_batch()], {"quality": records}))
    addresses = set(re.findall(r"(?:https?:)?//[^\s\"'<>]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "src=" not in page
    assert "&lt;b&gt;flights&lt;/b&gt;" in page
    assert page.count("<svg") == 4
    assert "a promotion" in page
    assert len(page) < 2_000_000
