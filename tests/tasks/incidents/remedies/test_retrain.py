"""A retrain is futile on days that have already given no gain, against the same champion."""

from datetime import UTC, date, datetime

import pytest

from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy, Status
from releases.log import abort_of
from tasks.incidents.remedies.retrain import RetrainRemedy, last_day_without_gain
from tasks.ledger.records import FeatureRecord
from tasks.rollout.rollback import RollbackOrder, roll_back
from tests.flows.release_bench import Bench, make_bench
from tests.published import PIPELINE, bootstrap, start_canary
from tests.tasks.incidents.contexts import context

DAY = date(2013, 3, 1)


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    return make_bench(tmp_path, monkeypatch)


def without_gain(bench: Bench) -> date | None:
    with bench.ledger() as ledger:
        return last_day_without_gain(ledger, bench.log.history(), PIPELINE)


def record_report(bench: Bench, **detail: str | bool) -> None:
    with bench.ledger() as ledger:
        ledger.record_features([FeatureRecord(PIPELINE, DAY, 1, 900, 1)])
        ledger.record_entry(PIPELINE, "retrain.finished", PIPELINE, {"until": str(DAY), **detail})


def test_a_retrain_is_futile_until_the_lake_has_a_later_day(bench):
    bootstrap(bench.root, bench.publish(1))
    assert without_gain(bench) is None
    record_report(bench, result="not_better")
    assert without_gain(bench) == DAY
    with bench.ledger() as ledger:
        drop = Evidence(PIPELINE, Cause.QUALITY_DROP, "champion", "test", datetime.now(UTC))
        incident = ledger.record_evidence(drop, status=Status.DIAGNOSED)
        retrain = context(bench.settings, ledger, incident, Remedy.RETRAIN)
        assert RetrainRemedy().apply(retrain).outcome is AttemptOutcome.FUTILE
        assert retrain.runner.started == []
        ledger.record_features([FeatureRecord(PIPELINE, date(2013, 3, 2), 1, 900, 2)])
        assert RetrainRemedy().apply(retrain).outcome is AttemptOutcome.RUNNING
        assert [deployment for deployment, _, _ in retrain.runner.started] == ["retrain/retrain"]
    assert without_gain(bench) is None


def test_a_fenced_candidate_counts_as_no_gain(bench):
    champion, candidate = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion)
    trial = start_canary(bench.root, candidate, 0.5)
    bench.log.append(abort_of(trial, author="gateway", now=datetime.now(UTC), note="errors: 9 of 30", fence=True))
    record_report(bench, result="aborted", digest="0" * 64)
    assert without_gain(bench) is None
    record_report(bench, result="aborted", digest=candidate.digest)
    assert without_gain(bench) == DAY


def test_after_an_earlier_champion_was_fenced_in_its_trial_a_training_is_still_to_be_tried(bench):
    champion, earlier = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion)
    trial = start_canary(bench.root, earlier, 0.5)
    bench.log.append(abort_of(trial, author="gateway", now=datetime.now(UTC), note="errors: 9 of 30", fence=True))
    record_report(bench, result="aborted", digest=earlier.digest, returned=True)
    assert without_gain(bench) is None


def test_the_same_days_may_give_a_gain_against_another_champion(bench):
    older, champion = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion, fallbacks=(older,))
    record_report(bench, result="not_better")
    roll_back(bench.root, bench.keys.public, RollbackOrder(PIPELINE, "heal"))
    assert without_gain(bench) is None
