"""The replay of logged requests reaches the guard's decision, and none where the log misses what it needs."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from healing.promotion import Decision, StageRule, abort_alpha_of
from healing.release import Mode
from healing.replay import LoggedRequest, LoggedStage, replay, with_failed_labels
from healing.trial_evidence import Expected
from healing.trial_guard import TrialGuard
from healing.trial_rules import CheckState, TrialCheck, TrialRules
from healing.verdict import Outcome

BEGAN = datetime(2013, 3, 1, tzinfo=UTC)
RULE = StageRule(
    requests_min=100, deadline_seconds=3600, error_rate_tolerated=0.02, abort_alpha=abort_alpha_of(TrialRules(), 5)
)


def requests(count, *, share=0.5, errors=0.0, champion_errors=0.0, slow=0.0, seed=0):
    """`count` requests of a canary, 50 per second."""
    generator = np.random.default_rng(seed)
    for number in range(count):
        challenger = bool(generator.random() < share)
        failed = bool(generator.random() < (errors if challenger else champion_errors))
        at = BEGAN + timedelta(seconds=number / 50)
        is_slow = bool(generator.random() < slow) if challenger else False
        yield LoggedRequest(at, challenger, failed, is_slow, None if failed else 0.5)


def stage(logged, *, weight=0.5, mode=Mode.CANARY, seconds=2000, **options):
    return LoggedStage(2, mode, weight, BEGAN, BEGAN + timedelta(seconds=seconds), RULE, tuple(logged), **options)


def replayed(*stages):
    first = stages[0]
    return replay(stages, TrialGuard(TrialRules(), first.mode, first.weight, Expected()))


def test_a_failed_check_ends_the_replay_at_its_request():
    one, *more = replayed(stage(requests(1000, errors=0.2)), stage(requests(1000)))
    assert (one.decision, more) == (Decision.ABORT, [])
    assert one.reason.startswith("errors: challenger failed")
    assert one.request < 150
    assert one.at == BEGAN + timedelta(seconds=_index_of(one) / 50)


def test_a_slow_challenger_is_aborted_by_the_check_latency():
    [decided] = replayed(stage(requests(1000, slow=0.6)))
    assert (decided.decision, decided.reason.split(":")[0]) == (Decision.ABORT, "latency")


def test_a_sound_challenger_passes_every_stage():
    decided = replayed(stage(requests(1000, share=0.25), weight=0.25), stage(requests(1000, seed=1)))
    assert [each.decision for each in decided] == [Decision.PROMOTE, Decision.PROMOTE]
    assert decided[0].request >= RULE.requests_min


def test_an_outage_of_both_arms_aborts_nothing():
    [decided] = replayed(stage(requests(1000, errors=0.3, champion_errors=0.3)))
    assert decided.decision is not Decision.ABORT


def test_few_requests_decide_nothing_and_no_request_is_no_data():
    [few] = replayed(stage(requests(40)))
    assert few.decision is Decision.CONTINUE
    assert "ends before a decision" in few.reason
    [none] = replayed(stage((), seconds=4000))
    assert none.decision is Decision.NODATA


def test_what_the_log_misses_is_named_and_the_stage_is_inconclusive():
    [decided] = replayed(stage(requests(1000), missing=("7 of 1000 rows do not say which arm failed",)))
    assert decided.decision is Decision.INCONCLUSIVE
    assert "7 of 1000 rows do not say which arm failed" in decided.reason


def test_errors_on_copies_abort_a_shadow_stage():
    copies = [
        LoggedRequest(BEGAN + timedelta(seconds=n / 50), True, n % 3 == 0, None, None if n % 3 == 0 else 0.5, 0.5)
        for n in range(300)
    ]
    [decided] = replayed(stage(copies, mode=Mode.SHADOW, weight=1.0))
    assert (decided.decision, decided.reason.split(":")[0]) == (Decision.ABORT, "errors")


@pytest.mark.parametrize(("known_after", "sooner"), [(0.1, True), (1500, False)])
def test_failed_labels_abort_only_if_they_were_known_before_another_check_failed(known_after, sooner):
    [decided] = replayed(stage(requests(1000, errors=0.05)))
    by_labels = CheckState(TrialCheck.QUALITY, Outcome.FAIL, 9.0, 8.0, 100, votes=True, reason="kind=a: worse")
    with_labels = with_failed_labels(decided, by_labels, BEGAN + timedelta(seconds=known_after))
    assert with_labels.reason.startswith("quality: kind=a" if sooner else "errors")


def _index_of(decided):
    return next(place for place, request in enumerate(decided.stage.requests) if request.at == decided.at)
