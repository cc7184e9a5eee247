"""An ingest that nobody started is started, and the attempt succeeds only when a run has ended without an error."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy
from healing.verdict import Outcome
from tasks.config.settings import Settings
from tasks.incidents.remedy_action import AttemptRun
from tasks.incidents.remedy_registry import find_remedy
from tasks.ingestion.run_record import SCHEDULE, record_end, record_start
from tasks.ledger.store import Ledger
from tasks.runtime.flow_runs import RunState
from tests.tasks.incidents.contexts import context, run_id_of


@pytest.fixture
def ledger(tmp_path):
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


def attempt_of(ledger, tmp_path, remedy, subject=SCHEDULE):
    evidence = Evidence("tiny", Cause.STALE_DATA, subject, "heal", datetime.now(UTC))
    settings = Settings(home=tmp_path, pipelines_dir=tmp_path)
    return find_remedy(remedy, Cause.STALE_DATA), context(settings, ledger, ledger.record_evidence(evidence), remedy)


def test_waiting_for_an_ingest_that_nobody_starts_is_futile(ledger, tmp_path):
    action, given = attempt_of(ledger, tmp_path, Remedy.WAIT)
    assert action.apply(given).outcome is AttemptOutcome.FUTILE
    assert given.runner.started == []


@pytest.mark.parametrize("remedy", [Remedy.RETRY, Remedy.SWITCH_SOURCE])
def test_an_ingest_is_started_under_the_key_of_the_attempt(ledger, tmp_path, remedy):
    action, given = attempt_of(ledger, tmp_path, remedy)
    result = action.apply(given)
    key = f"{given.incident.id}/1"
    assert (result.outcome, result.flow_run_id) == (AttemptOutcome.RUNNING, run_id_of(key))
    assert given.runner.started == [("ingest/ingest", {"pipeline": "tiny"}, key)]


def test_only_a_run_that_came_to_its_end_ends_the_incident(ledger, tmp_path, monkeypatch):
    record_end(ledger, "tiny", "an earlier run", 1)
    action, given = attempt_of(ledger, tmp_path, Remedy.RETRY)
    run = AttemptRun(replace(given.attempt, flow_run_id="run"))
    monkeypatch.setattr("tasks.incidents.remedy_action.run_state", lambda _: RunState.FAILED)
    record_start(ledger, "tiny", "run")
    assert action.observe(given).outcome is Outcome.INCONCLUSIVE
    assert action.resume(given, run).outcome is AttemptOutcome.FAILED
    record_end(ledger, "tiny", "run", 1)
    assert action.resume(given, run).outcome is AttemptOutcome.SUCCEEDED
    assert action.observe(given).outcome is Outcome.PASS


def test_an_incident_about_a_batch_is_left_to_ingestion(ledger, tmp_path):
    action, given = attempt_of(ledger, tmp_path, Remedy.RETRY, subject="rows")
    record_end(ledger, "tiny", "run", 1)
    assert action.observe(given).outcome is Outcome.INCONCLUSIVE
