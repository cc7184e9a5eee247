"""The control plane's metrics: what the ledger counts and the snapshot shows, as the gateway hands it on."""

from datetime import UTC, date, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from healer.metrics import (
    ATTEMPTS,
    BATCHES,
    CHECK_STATISTIC,
    CHECK_VERDICT,
    DISMISSED,
    DRILL_RECOVERED,
    DRILL_RECOVERY,
    ESCALATIONS,
    HEALER_METRICS,
    NEEDING_PERSON,
    NEWEST_DAY,
    PAUSED,
    RECOVERY,
    ROWS,
    UNFINISHED_INCIDENTS,
    ledger_samples,
    snapshot_samples,
)
from healer.status_file import metrics_file
from healer.status_snapshot import StatusSection, StatusSnapshot
from healer.status_writer import StatusWriter
from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy, Status
from releases.exposition import MetricKind
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import Settings
from tasks.ledger.store import Ledger
from tests.toy import PIPELINE, PIPELINES_DIR

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", pipelines_dir=PIPELINES_DIR)


@pytest.fixture
def ledger(settings):
    with Ledger(settings.ledger_dsn) as opened:
        yield opened


def opened(ledger, cause, subject="abc"):
    return ledger.record_evidence(Evidence(PIPELINE, cause, subject, "gateway", datetime.now(UTC), "it fails")).id


def values(samples):
    return {(each.metric, *each.labels): each.value for each in samples}


def snapshot(**sections):
    return StatusSnapshot(PIPELINE, NOW, {name: StatusSection(value) for name, value in sections.items()})


def test_incidents_are_counted_by_what_they_need(ledger):
    healing, recovered, escalated = (opened(ledger, Cause.MODEL_FAILING, subject) for subject in "abc")
    ended = opened(ledger, Cause.SCHEMA_BREAK)
    for incident in (healing, recovered, escalated, ended):
        ledger.set_status(incident, Status.DIAGNOSED)
    ledger.set_status(recovered, Status.RECOVERED)
    ledger.set_status(escalated, Status.ESCALATED)
    ledger.set_status(ended, Status.ESCALATED)
    found = values(ledger_samples(ledger, PIPELINE))
    failing, broken = Cause.MODEL_FAILING.value, Cause.SCHEMA_BREAK.value
    assert found[UNFINISHED_INCIDENTS, failing] == 1
    assert found[NEEDING_PERSON, failing] == 1
    assert found[RECOVERY, failing].count == 1
    assert found[ESCALATIONS, failing] == found[ESCALATIONS, broken] == 1
    assert found[NEEDING_PERSON, broken] == 0  # nobody observes a batch that was quarantined
    assert found[DISMISSED, failing] == 0
    ledger.set_status(escalated, Status.RECOVERED)
    found = values(ledger_samples(ledger, PIPELINE))
    assert (found[NEEDING_PERSON, failing], found[ESCALATIONS, failing]) == (0, 1)


def test_every_cause_has_a_value_before_its_first_incident(ledger):
    found = values(ledger_samples(ledger, PIPELINE))
    assert all(found[ESCALATIONS, cause.value] == 0 for cause in Cause)
    assert all(found[UNFINISHED_INCIDENTS, cause.value] == 0 for cause in Cause)


def test_incidents_of_another_pipeline_do_not_count(ledger):
    for status in (Status.DIAGNOSED, Status.ESCALATED):
        ledger.set_status(opened(ledger, Cause.MODEL_FAILING), status)
    found = values(ledger_samples(ledger, "another"))
    assert found[NEEDING_PERSON, "model_failing"] == found[ESCALATIONS, "model_failing"] == 0


def test_attempts_are_counted_once_they_have_ended(ledger):
    incident = opened(ledger, Cause.MODEL_FAILING)
    ledger.set_status(incident, Status.DIAGNOSED)
    number = ledger.start_attempt(incident, Remedy.RESTART_WORKER).number
    assert (ATTEMPTS, "restart_worker", "running") not in values(ledger_samples(ledger, PIPELINE))
    ledger.finish_attempt(incident, number, AttemptOutcome.FAILED, "it died again")
    assert values(ledger_samples(ledger, PIPELINE))[ATTEMPTS, "restart_worker", "failed"] == 1


def test_tables_checks_and_drills_come_from_the_snapshot():
    table = {
        "table": "events",
        "newest_day": date(1970, 1, 1),
        "recorded_at": NOW,
        "batches": 3,
        "rejected_batches": 1,
        "accepted_rows": 90,
        "quarantined_rows": 10,
    }
    check = {"check": "drift", "outcome": "FAIL", "statistic": 0.3, "threshold": None, "recorded_at": NOW}
    drill = {"name": "worker-crash", "ablated": None, "started_at": NOW.isoformat(), "exit": 0}
    drills = [
        {**drill, "ablated": "restart_worker", "exit": 1, "durations": {}},
        {**drill, "durations": {"recover": [1.5, 2.0]}},
        {**drill, "exit": 1, "durations": {}},
    ]
    found = values(
        snapshot_samples(snapshot(pause=None, data={"tables": [table]}, checks={"latest": [check]}, drills=drills))
    )
    assert found[NEWEST_DAY, "events"] == 86_400
    assert (found[ROWS, "events", "accepted"], found[ROWS, "events", "quarantined"]) == (90, 10)
    assert (found[BATCHES, "events", "accepted"], found[BATCHES, "events", "rejected"]) == (2, 1)
    assert (found[CHECK_VERDICT, "drift", "FAIL"], found[CHECK_VERDICT, "drift", "PASS"]) == (1, 0)
    assert found[CHECK_STATISTIC, "drift"] == 0.3
    assert (found[DRILL_RECOVERED, "worker-crash"], found[DRILL_RECOVERY, "worker-crash"]) == (1, 2.0)
    assert found[PAUSED,] == 0


def test_a_section_that_cannot_be_read_has_no_values():
    broken = StatusSnapshot(PIPELINE, NOW, {"pause": StatusSection(error="locked"), "data": StatusSection(error="x")})
    assert PAUSED not in {each.metric for each in snapshot_samples(broken)}


def read(settings):
    text = metrics_file(settings.home, PIPELINE).read_text()
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_the_writer_writes_them_and_keeps_the_last_ones_during_an_outage_of_the_ledger(settings, ledger):
    opened(ledger, Cause.MODEL_FAILING)
    writer = StatusWriter(settings, load_pipeline(PIPELINE, PIPELINES_DIR))
    assert writer.write_if_due()
    first = read(settings)
    assert first["autopilot_ledger_up"].samples[0].value == 1.0
    assert first["autopilot_alerts_unsent"].samples[0].value == 0.0
    assert sum(each.value for each in first["autopilot_incidents_unfinished"].samples) == 1.0
    database = settings.home / "ledger.db"
    database.rename(database.with_suffix(".away"))
    database.mkdir()
    writer._ledger.close()
    assert writer.write_if_due()
    second = read(settings)
    assert second["autopilot_ledger_up"].samples[0].value == 0.0
    assert sum(each.value for each in second["autopilot_incidents_unfinished"].samples) == 1.0


@pytest.mark.parametrize("metric", HEALER_METRICS, ids=lambda metric: metric.name)
def test_names_end_as_prometheus_recommends(metric):
    assert metric.name.startswith("autopilot_")
    assert metric.name.endswith("_total") == (metric.kind is MetricKind.COUNTER)
    assert metric.documentation.endswith(".")
