"""Stages of a rollout, the hold and its policy, returns without a trial, and fenced models."""

import pytest

from flows.release import release
from healing.errors import IllegalTransition
from healing.promotion import Decision
from healing.release import Mode, Reason
from tasks.rollout.release_changes import abort_trial
from tasks.rollout.rollout import RolloutJournal, RolloutResult, Step
from tasks.rollout.rollout_status import ProgressFile
from tests.flows.release_bench import Bench, make_bench, traffic
from tests.published import PIPELINE, bootstrap, end_trial, start_canary

SHADOW = "{mode: shadow, weight: 1.0, requests_min: 20, deadline_seconds: 60}"
ALL = "{mode: canary, weight: 1.0, requests_min: 20, deadline_seconds: 60}"
BRIEF = "{mode: canary, weight: 0.5, deadline_seconds: 0.5, hold_seconds: 0.5}"


@pytest.fixture
def bench(tmp_path, monkeypatch):
    def make(section: str) -> Bench:
        return make_bench(tmp_path, monkeypatch, section)

    return make


def test_a_rollout_from_shadow_to_all_traffic_fails_no_request(bench):
    bench = bench(f"{{stages: [{SHADOW}, {{weight: 0.5, requests_min: 20}}, {ALL}]}}")
    champion, candidate = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion)
    with bench.serve() as gateway:
        gateway.wait_for_generation(1)
        with traffic(gateway) as codes:
            outcome = release(PIPELINE, candidate.digest, reason="spring")
    assert outcome.result is RolloutResult.PROMOTED, outcome
    assert set(codes) == {200}
    assert [(v.mode, v.weight, v.decision) for v in outcome.verdicts] == [
        (Mode.SHADOW, 1.0, Decision.PROMOTE),
        (Mode.CANARY, 0.5, Decision.PROMOTE),
        (Mode.CANARY, 1.0, Decision.PROMOTE),
    ]
    assert min(verdict.requests for verdict in outcome.verdicts) >= 154
    reasons = [Reason.BOOTSTRAP, Reason.SHADOW, Reason.CANARY, Reason.CANARY, Reason.PROMOTE]
    assert [r.reason for r in bench.log.history()] == reasons
    assert all(r.challenger.rules.alpha == 0.001 for r in bench.log.history() if r.challenger)
    assert bench.current.fallbacks == (champion,)  # kept warm
    journal = RolloutJournal(bench.settings.ledger_dsn, PIPELINE, candidate.digest)
    assert all(journal.last(Step.STAGE_ENDED, {"generation": g, "decision": "promote"}) for g in (2, 3, 4))
    progress = ProgressFile(bench.root).read()
    assert progress is not None
    assert {check.check.value for check in progress.checks} >= {"errors", "latency", "quality"}


@pytest.mark.parametrize(
    ("policy", "result", "last"),
    [("abort", RolloutResult.INCONCLUSIVE, Reason.ABORT), ("promote", RolloutResult.PROMOTED, Reason.PROMOTE)],
)
def test_a_stage_without_traffic_is_held_and_then_ended_by_policy(bench, policy, result, last):
    bench = bench(f"{{stages: [{BRIEF}], on_no_data: {policy}}}")
    champion, candidate = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion)
    with bench.serve() as gateway:
        gateway.wait_for_generation(1)
        outcome = release(PIPELINE, candidate.digest)
    assert outcome.result is result, outcome
    assert bench.current.reason is last
    assert bench.current.fence_of(candidate.digest) is None  # no check failed
    journal = RolloutJournal(bench.settings.ledger_dsn, PIPELINE, candidate.digest)
    assert journal.last(Step.STAGE_HELD, {"generation": 2}) is not None
    assert journal.last(Step.STAGE_ENDED, {"generation": 2, "decision": "nodata"}) is not None


def test_a_champion_that_served_well_recently_returns_without_a_trial(bench):
    bench = bench(f"{{stages: [{BRIEF}], rollback_window_days: 7}}")
    older, newer = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, older)
    start_canary(bench.root, newer, 0.5)
    end_trial(bench.root, reason=Reason.PROMOTE, champion=newer)  # at NOW, years ago
    assert release(PIPELINE, older.digest).result is RolloutResult.INCONCLUSIVE  # no gateway to try it on
    bench.promote_now(older)
    before = bench.log.latest_generation()
    outcome = release(PIPELINE, newer.digest, reason="the new one is slow on Fridays")
    assert outcome.result is RolloutResult.PROMOTED, outcome
    assert bench.log.latest_generation() == before + 1
    assert (bench.current.reason, bench.current.champion) == (Reason.RETURN, newer)
    assert bench.current.fallbacks[0] == older  # not fenced
    assert bench.current.fenced == ()


def test_an_earlier_champion_that_has_to_pass_all_stages_returns_after_them(bench):
    bench = bench(f"{{stages: [{BRIEF}], on_no_data: promote, rollback_window_days: 7}}")
    older, newer = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, older)
    bench.promote_now(newer)
    with bench.serve() as gateway:
        gateway.wait_for_generation(3)
        outcome = release(PIPELINE, older.digest, reason="its regime is back", all_stages=True)
    assert outcome.result is RolloutResult.PROMOTED, outcome
    assert [r.reason for r in bench.log.history()][3:] == [Reason.CANARY, Reason.RETURN]
    assert "its regime is back" in bench.current.note
    assert bench.current.fallbacks[0] == newer


def test_a_fenced_model_is_refused_until_a_person_lifts_the_fence(bench):
    bench = bench(f"{{stages: [{BRIEF}], on_no_data: promote}}")
    champion, candidate = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion)
    start_canary(bench.root, candidate, 0.5)
    abort_trial(bench.root, candidate.digest, author="gateway", note="latency: slow", fence=True)
    with pytest.raises(IllegalTransition, match=r"fenced by gateway at .*latency: slow.*--unfence-by"):
        release(PIPELINE, candidate.digest)
    assert bench.log.latest_generation() == 3
    with bench.serve() as gateway:
        gateway.wait_for_generation(3)
        outcome = release(PIPELINE, candidate.digest, unfence_by="Ada")
    assert outcome.result is RolloutResult.PROMOTED, outcome
    assert [r.unfenced_by for r in bench.log.history()] == [None, None, None, "Ada", None]
