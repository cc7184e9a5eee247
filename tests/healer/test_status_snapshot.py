"""The snapshot for the status page: every section by itself, so that nothing broken takes the others away."""

import json
from datetime import UTC, date, datetime, timedelta

import orjson
import pytest
import sqlalchemy as sa

from healer.status_file import snapshot_file
from healer.status_snapshot import DRILLS_MAX, read_snapshot
from healer.status_writer import SNAPSHOT_SECONDS, StatusWriter
from healing.approval import ApprovalOutcome
from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy, Status
from healing.moment import Moment
from healing.release import Mode, ModelRef, Reason
from healing.verdict import Outcome, Verdict
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import Settings
from tasks.ledger.pauses import record_pause
from tasks.ledger.records import BatchRecord, BatchStatus, CheckRecord
from tasks.ledger.store import Ledger
from tasks.rollout.progress import Phase, RolloutProgress
from tasks.rollout.rollout_status import ProgressFile
from tests.published import bootstrap, end_trial, start_canary
from tests.toy import PIPELINE, PIPELINES_DIR

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def config():
    return load_pipeline(PIPELINE, PIPELINES_DIR)


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", pipelines_dir=PIPELINES_DIR)


@pytest.fixture
def ledger(settings):
    with Ledger(settings.ledger_dsn) as opened:
        yield opened


def evidence(subject="abc", cause=Cause.MODEL_FAILING):
    return Evidence(PIPELINE, cause, subject, "gateway", datetime.now(UTC), f"{subject} fails requests")


def sections(settings, config, ledger):
    return json.loads(orjson.dumps(read_snapshot(settings, config, ledger)))["sections"]


def batch(day, status=BatchStatus.ACCEPTED, quarantined=0, received=10):
    accepted = 0 if status is BatchStatus.REJECTED else received - quarantined
    return BatchRecord(
        pipeline=PIPELINE,
        batch_id=f"events-{day}",
        table="events",
        day=day,
        source="feed",
        received=received,
        accepted=accepted,
        quarantined=received - accepted,
        duplicates=0,
        status=status,
        recorded_at=T0,
    )


def test_a_new_home_has_every_section_and_nothing_in_it(settings, config, ledger):
    found = sections(settings, config, ledger)
    assert [section["error"] for section in found.values()] == [""] * 6
    assert found["incidents"]["value"] == []
    assert found["rollout"]["value"] is None
    assert found["drills"]["value"] == []
    assert found["data"]["value"]["tables"] == []


def test_an_open_incident_has_its_attempts_and_the_approval_that_it_waits_for(settings, config, ledger):
    incident = ledger.record_evidence(evidence(), status=Status.DIAGNOSED)
    attempt = ledger.start_attempt(incident.id, Remedy.RESTART_WORKER)
    ledger.finish_attempt(incident.id, attempt.number, AttemptOutcome.FAILED, "it still fails")
    ledger.ask_approval(incident.id, 2, Remedy.ROLLBACK, Moment(T0))
    (shown,) = sections(settings, config, ledger)["incidents"]["value"]
    assert (shown["cause"], shown["status"]) == ("model_failing", "healing")
    assert [(each["remedy"], each["outcome"]) for each in shown["attempts"]] == [("restart_worker", "failed")]
    assert shown["waits_for_approval"] == ["rollback"]
    ledger.answer_approval(incident.id, ApprovalOutcome.APPROVED, by="Ada")
    (shown,) = sections(settings, config, ledger)["incidents"]["value"]
    assert shown["waits_for_approval"] == []


def test_a_broken_row_is_named_and_hides_no_other(settings, config, ledger):
    broken = ledger.record_evidence(evidence("first"))
    ledger.record_evidence(evidence("second"))
    engine = sa.create_engine(settings.ledger_dsn)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE incidents SET status = 'sideways' WHERE id = :id"), {"id": broken.id})
    engine.dispose()
    found = sections(settings, config, ledger)["incidents"]
    assert [each["subject"] for each in found["value"]] == ["second"]
    assert len(found["broken"]) == 1
    assert broken.id in found["broken"][0]
    assert "sideways" in found["broken"][0]


def test_a_table_that_cannot_be_read_is_the_error_of_its_section_alone(settings, config, ledger):
    ledger.record_evidence(evidence())
    engine = sa.create_engine(settings.ledger_dsn)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE batches"))
    engine.dispose()
    found = sections(settings, config, ledger)
    assert "batches" in found["data"]["error"]
    assert len(found["incidents"]["value"]) == 1


def test_freshness_counts_no_day_of_which_every_row_was_refused(settings, config, ledger):
    days = [date(2013, 3, 1) + timedelta(days=number) for number in range(3)]
    refused = batch(days[2], BatchStatus.REJECTED)
    ledger.record_batches([batch(days[0]), batch(days[1], BatchStatus.QUARANTINED, 4), refused])
    (table,) = sections(settings, config, ledger)["data"]["value"]["tables"]
    assert table["newest_day"] == str(days[1])
    assert (table["batches"], table["rejected_batches"]) == (3, 1)
    assert (table["accepted_rows"], table["quarantined_rows"]) == (16, 14)


def test_a_statistic_that_is_no_number_is_null(settings, config, ledger):
    verdict = Verdict("quality", Outcome.INCONCLUSIVE, "0 labels", 0, statistic=float("nan"), threshold=0.02)
    ledger.record_check(CheckRecord(PIPELINE, Cause.QUALITY_DROP, verdict, T0, T0, T0))
    checks = sections(settings, config, ledger)["checks"]["value"]
    assert checks["latest"][0]["statistic"] is None
    assert checks["quality_history"] == [None]


def test_a_rollout_is_shown_as_long_as_its_model_is_on_trial(settings, config, ledger):
    """Its controller's last progress stays in its file, whether it ended or was killed."""
    root = settings.release_root(PIPELINE)
    champion, challenger = ModelRef("c" * 64, "1.0.0"), ModelRef("d" * 64, "1.1.0")
    bootstrap(root, champion)
    start_canary(root, challenger, 0.1)
    progress = RolloutProgress(
        pipeline=PIPELINE,
        digest="d" * 64,
        version="1.1.0",
        phase=Phase.WATCHING,
        at=T0,
        stage=2,
        stages=4,
        mode=Mode.CANARY,
        weight=0.1,
        requests_needed=120,
    )
    ProgressFile(root).write(progress)
    shown = sections(settings, config, ledger)["rollout"]["value"]
    assert (shown["stage"], shown["stages"], shown["requests_needed"]) == (2, 4, 120)
    end_trial(root, reason=Reason.PROMOTE, champion=challenger, fallbacks=(champion,))
    assert sections(settings, config, ledger)["rollout"]["value"] is None


def test_the_newest_drills_are_shown_and_a_broken_outcome_is_named(settings, config, ledger):
    for number in range(DRILLS_MAX + 2):
        folder = settings.home / "drills" / "kill-worker" / f"2026030{number}-120000"
        folder.mkdir(parents=True)
        outcome = {
            "name": "kill-worker",
            "pipeline": PIPELINE,
            "started_at": str(T0),
            "exit": 0,
            "reason": f"trial {number}",
        }
        (folder / "outcome.json").write_text(json.dumps(outcome))
    (folder / "outcome.json").write_text("{")
    found = sections(settings, config, ledger)["drills"]
    assert [each["reason"] for each in found["value"]] == [f"trial {n}" for n in range(DRILLS_MAX, 0, -1)]
    assert len(found["broken"]) == 1


def test_a_pause_says_who_and_why(settings, config, ledger):
    record_pause(ledger, PIPELINE, by="Ada", reason="the feed is wrong", incident_id=None, schedules=())
    pause = sections(settings, config, ledger)["pause"]["value"]
    assert (pause["by"], pause["reason"]) == ("Ada", "the feed is wrong")


def written(settings):
    return json.loads(snapshot_file(settings.home, PIPELINE).read_bytes())


def test_a_snapshot_is_written_at_once_for_news_and_rarely_without(settings, config, ledger, monkeypatch):
    writer = StatusWriter(settings, config)
    assert writer.write_if_due()
    assert not writer.write_if_due()
    incident = ledger.record_evidence(evidence())
    assert writer.write_if_due()
    assert written(settings)["sections"]["incidents"]["value"][0]["id"] == incident.id
    assert writer.write_if_due()  # while an incident is open, every time: its decisions have no journal entry
    ledger.set_status(incident.id, Status.DISMISSED)
    assert writer.write_if_due()
    assert not writer.write_if_due()
    monkeypatch.setattr(writer, "_written_at", writer._written_at - SNAPSHOT_SECONDS)
    assert writer.write_if_due()


def test_a_ledger_that_is_away_is_said_and_hides_nothing_else(settings, config):
    away = Settings(home=settings.home, pipelines_dir=PIPELINES_DIR, ledger_url="sqlite:////proc/nowhere/ledger.db")
    assert StatusWriter(away, config).write_if_due()
    found = written(settings)["sections"]
    assert "the ledger does not answer" in found["incidents"]["error"]
    assert found["drills"] == {"value": [], "error": "", "broken": []}


def test_the_thread_writes_and_ends_with_its_block(settings, config):
    with StatusWriter(settings, config) as writer:
        deadline = datetime.now(UTC) + timedelta(seconds=60)
        while not snapshot_file(settings.home, PIPELINE).exists():
            assert datetime.now(UTC) < deadline
    assert not writer._thread.is_alive()
