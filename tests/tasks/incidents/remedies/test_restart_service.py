"""The supervisor is asked once per attempt; success is that it took the request and that the service answers."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from healing.diagnosis import Confirmation, Presence
from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy
from healing.verdict import Outcome
from tasks.config.settings import Settings
from tasks.incidents.remedy_registry import implementation_of
from tasks.ledger.store import Ledger
from tasks.runtime.file_locks import exclusive
from tasks.runtime.restart_requests import SUPERVISOR_LOCK, take_request
from tests.tasks.incidents.contexts import context

PREFECT = (Cause.ORCHESTRATOR_UNAVAILABLE, "prefect")


@pytest.fixture
def given(tmp_path):
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        incident = ledger.record_evidence(Evidence("tiny", *PREFECT, "heal", datetime.now(UTC)))
        settings = Settings(home=tmp_path, pipelines_dir=tmp_path)
        yield context(settings, ledger, incident, Remedy.RESTART_SERVICE)


def test_without_a_supervisor_nothing_can_be_restarted(given, tmp_path):
    result = implementation_of(Remedy.RESTART_SERVICE).apply(given)
    assert result.outcome is AttemptOutcome.FUTILE
    assert not (tmp_path / "requests").exists()


def test_an_attempt_that_is_repeated_asks_once_and_succeeds_when_the_service_answers(given, tmp_path):
    action = implementation_of(Remedy.RESTART_SERVICE)
    answers = {PREFECT: Confirmation(Presence.ABSENT, "Prefect answers")}
    with exclusive(tmp_path / SUPERVISOR_LOCK, seconds_max=60):
        assert action.apply(given).outcome is AttemptOutcome.SUCCEEDED
        assert (
            action.observe(replace(given, probed=answers)).outcome is Outcome.INCONCLUSIVE
        )  # it has not been restarted
        request = take_request(tmp_path, "prefect")
        assert (request.id, request.by) == (given.idempotency_key, "heal")
        assert action.apply(given).outcome is AttemptOutcome.SUCCEEDED  # a healer that was killed applies it again
        assert take_request(tmp_path, "prefect") is None
    silent = {PREFECT: Confirmation(Presence.CONFIRMED, "no answer")}
    assert action.observe(replace(given, probed=silent)).outcome is Outcome.INCONCLUSIVE
    assert action.observe(replace(given, probed=answers)).outcome is Outcome.PASS
