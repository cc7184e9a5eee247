"""A trial of a real gateway, replayed from its log: the same decision for the same reason."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cli.retrospect import lines_of
from flows.release import release
from flows.retrospect import retrospect
from healing.errors import UsageError
from healing.promotion import Decision
from healing.release import Mode, Reason
from healing.trial_rules import DEFAULT_RULES, TrialCheck
from tasks.rollout.logged_trial import find_trial, trials_of
from tasks.rollout.rollout import RolloutResult
from tasks.rollout.trial_replay import changed_rules
from tests.flows.release_bench import make_bench, traffic
from tests.published import PIPELINE, bootstrap, end_trial, raising_estimator, start_canary

TWO_STAGES = """{stages: [
  {mode: shadow, weight: 1.0, requests_min: 100, deadline_seconds: 60},
  {mode: canary, weight: 0.5, requests_min: 20, deadline_seconds: 60}]}"""


@pytest.fixture
def bench(tmp_path, monkeypatch):
    return make_bench(tmp_path, monkeypatch, TWO_STAGES)


def test_a_replay_reaches_the_trials_own_decisions(bench):
    champion, sound = bench.publish(1), bench.publish(2)
    raising = bench.publish(3, estimator=raising_estimator(3))
    bootstrap(bench.root, champion)
    with bench.serve() as gateway:
        gateway.wait_for_generation(1)
        with traffic(gateway):
            assert release(PIPELINE, sound.digest).result is RolloutResult.PROMOTED
        with traffic(gateway, carrier="ZZ"):
            assert release(PIPELINE, raising.digest).result is RolloutResult.ABORTED
        bad, good = retrospect(PIPELINE), retrospect(PIPELINE, digest=sound.digest[:12])
    assert (bad.decision, bad.digest) == (Decision.ABORT, raising.digest), bad
    assert bad.reason.split(":")[0] == "errors"
    assert "abort by" in bad.done
    assert good.decision is Decision.PROMOTE, good
    assert [(stage.mode, stage.decision) for stage in good.stages] == [
        (Mode.SHADOW, Decision.PROMOTE),
        (Mode.CANARY, Decision.PROMOTE),
    ]
    assert "promote by release" in good.done
    assert "latency is not judged" in " ".join(good.stages[0].notes)
    text = "\n".join(lines_of(bad))
    assert "replay   abort: errors" in text
    lenient = retrospect(PIPELINE, overrides={"votes": "latency", "error_rate_tolerated": "0.999"})
    assert lenient.decision is not Decision.ABORT


def test_the_replay_of_a_trial_without_logged_requests_is_inconclusive(bench):
    bootstrap(bench.root, bench.publish(1))
    start_canary(bench.root, bench.publish(2), 0.5)
    end_trial(bench.root, reason=Reason.ABORT, champion=bench.current.champion)
    found = retrospect(PIPELINE)
    assert found.decision is Decision.INCONCLUSIVE
    assert "no answers of generation 2" in found.reason


def test_trials_are_separated_by_their_challenger(bench):
    champion, first, second = bench.publish(1), bench.publish(2), bench.publish(3)
    bootstrap(bench.root, champion)
    start_canary(bench.root, first, 1.0, Mode.SHADOW)
    start_canary(bench.root, first, 0.5)
    end_trial(bench.root, reason=Reason.ABORT, champion=champion)
    start_canary(bench.root, second, 0.5)
    aborted, on = trials_of(bench.log.history())
    assert [release.generation for release in aborted.releases] == [2, 3]
    assert (aborted.ended_by.reason, on.ended_by) == (Reason.ABORT, None)
    history = bench.log.history()
    assert find_trial(history, None, None, None).challenger.model == second
    assert find_trial(history, first.digest[:8], None, None).challenger.model == first
    with pytest.raises(UsageError, match="autopilot history"):
        find_trial(history, None, datetime.now(UTC) + timedelta(days=1), None)


def test_changed_rules_are_validated_like_those_in_the_log():
    assert changed_rules(DEFAULT_RULES, {"alpha": "0.05"}) == replace(DEFAULT_RULES, alpha=0.05)
    assert changed_rules(DEFAULT_RULES, {"votes": "errors,quality"}).votes == {TrialCheck.ERRORS, TrialCheck.QUALITY}
    with pytest.raises(UsageError, match="no such rule: alfa; rules are alpha"):
        changed_rules(DEFAULT_RULES, {"alfa": "1"})
    with pytest.raises(UsageError, match=r"rule alpha: .*less than 1"):
        changed_rules(DEFAULT_RULES, {"alpha": "2"})
