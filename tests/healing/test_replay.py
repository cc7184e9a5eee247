"""The replay of logged requests: the same judge, the same verdict, and no verdict where the log is silent."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from healing.promotion import Decision, StageRule, harm_alpha_of
from healing.release import Mode
from healing.replay import LoggedRequest, LoggedStage, replay, with_labels
from healing.trial_guard import Expected, TrialGuard
from healing.trial_rules import Check, CheckState, TrialRules
from healing.verdict import Outcome

BEGAN = datetime(2013, 3, 1, tzinfo=UTC)
RULE = StageRule(
    requests_min=100, deadline_seconds=3600, error_rate_tolerated=0.02, harm_alpha=harm_alpha_of(TrialRules(), 5)
)


def requests(count, *, share=0.5, errors=0.0, champion_errors=0.0, slow=0.0, seed=0):
    """`count` requests of a canary, fifty a second."""
    generator = np.random.default_rng(seed)
    for number in range(count):
        challenger = bool(generator.random() < share)
        failed = bool(generator.random() < (errors if challenger else champion_errors))
        at = BEGAN + timedelta(seconds=number / 50)
        took_long = bool(generator.random() < slow) if challenger else False
        yield LoggedRequest(at, challenger, failed, took_long, None if failed else 0.5)


def stage(logged, *, weight=0.5, mode=Mode.CANARY, seconds=2000, **options):
    return LoggedStage(2, mode, weight, BEGAN, BEGAN + timedelta(seconds=seconds), RULE, tuple(logged), **options)


def replayed(*stages):
    first = stages[0]
    return replay(stages, TrialGuard(TrialRules(), first.mode, first.weight, Expected()))


def test_harm_ends_the_replay_at_the_request_that_showed_it():
    one, *more = replayed(stage(requests(1000, errors=0.2)), stage(requests(1000)))
    assert (one.decision, more) == (Decision.ABORT, [])
    assert one.reason.startswith("errors: challenger failed")
    assert one.request < 150
    assert one.at == BEGAN + timedelta(seconds=_index_of(one) / 50)


def test_slowness_is_named():
    [ruling] = replayed(stage(requests(1000, slow=0.6)))
    assert (ruling.decision, ruling.reason.split(":")[0]) == (Decision.ABORT, "latency")


def test_a_sound_challenger_passes_every_stage():
    rulings = replayed(stage(requests(1000, share=0.25), weight=0.25), stage(requests(1000, seed=1)))
    assert [ruling.decision for ruling in rulings] == [Decision.PROMOTE, Decision.PROMOTE]
    assert rulings[0].request >= RULE.requests_min


def test_an_outage_of_both_is_held_against_nobody():
    [ruling] = replayed(stage(requests(1000, errors=0.3, champion_errors=0.3)))
    assert ruling.decision is not Decision.ABORT


def test_few_requests_decide_nothing_and_none_are_no_data():
    [few] = replayed(stage(requests(40)))
    assert few.decision is Decision.CONTINUE
    assert "ends before a decision" in few.reason
    [none] = replayed(stage((), seconds=4000))
    assert none.decision is Decision.NODATA


def test_what_the_log_lacks_is_named_and_passes_nothing():
    [ruling] = replayed(stage(requests(1000), lacking=("7 of 1000 rows do not say who failed",)))
    assert ruling.decision is Decision.INCONCLUSIVE
    assert "7 of 1000 rows do not say who failed" in ruling.reason


def test_errors_of_copies_condemn_a_shadow():
    copies = [
        LoggedRequest(BEGAN + timedelta(seconds=n / 50), True, n % 3 == 0, None, None if n % 3 == 0 else 0.5, 0.5)
        for n in range(300)
    ]
    [ruling] = replayed(stage(copies, mode=Mode.SHADOW, weight=1.0))
    assert (ruling.decision, ruling.reason.split(":")[0]) == (Decision.ABORT, "errors")


@pytest.mark.parametrize(("known_after", "sooner"), [(0.1, True), (1500, False)])
def test_labels_condemn_if_they_were_known_before_the_harm_was_seen(known_after, sooner):
    [ruling] = replayed(stage(requests(1000, errors=0.05)))
    by_labels = CheckState(Check.QUALITY, Outcome.FAIL, 9.0, 8.0, 100, votes=True, reason="kind=a: worse")
    heard = with_labels(ruling, by_labels, BEGAN + timedelta(seconds=known_after))
    assert heard.reason.startswith("quality: kind=a" if sooner else "errors")


def _index_of(ruling):
    return next(place for place, request in enumerate(ruling.stage.requests) if request.at == ruling.at)
