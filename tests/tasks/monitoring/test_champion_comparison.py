"""Champion comparison on the lake: which rows, scores and labels count, and when a challenger fails."""

from dataclasses import replace
from datetime import timedelta

import pytest

from healing.trial_rules import DEFAULT_RULES, TrialCheck
from healing.verdict import Outcome
from tasks.monitoring.champion_comparison import paired_quality
from tests.tasks.monitoring.shadow_trial_log import (
    BEGAN,
    CHALLENGER,
    CHAMPION,
    log_shadow_trial,
    send_labels,
    world,
    write_outcomes,
)
from tests.toy import toy_pipeline

RULES = replace(DEFAULT_RULES, quality_block_seconds=60.0)
LATER = BEGAN + timedelta(days=2)


def judged(lake, until=LATER, rules=RULES):
    return paired_quality(toy_pipeline(), lake, CHAMPION, CHALLENGER, BEGAN, rules, until)


def test_a_challenger_that_loses_more_by_client_labels_fails(tmp_path):
    requests = world(1200, worse=2.5)
    log_shadow_trial(tmp_path, requests)
    send_labels(tmp_path, requests)
    (state,) = judged(tmp_path)
    assert (state.check, state.outcome, state.votes) == (TrialCheck.QUALITY, Outcome.FAIL, True)
    assert state.observations == 1200
    assert "1200 of 1200 labelled" in state.reason


def test_an_equally_good_challenger_is_inconclusive(tmp_path):
    requests = world(1200)
    log_shadow_trial(tmp_path, requests)
    send_labels(tmp_path, requests)
    assert judged(tmp_path)[0].outcome is Outcome.INCONCLUSIVE


def test_without_labels_the_outcome_is_inconclusive(tmp_path):
    log_shadow_trial(tmp_path, world(300, worse=2.5))
    (state,) = judged(tmp_path)
    assert state.outcome is Outcome.INCONCLUSIVE
    assert "0 of 300 labelled" in state.reason


def test_an_empty_log_is_inconclusive(tmp_path):
    (state,) = judged(tmp_path)
    assert (state.outcome, state.observations) == (Outcome.INCONCLUSIVE, 0)


def test_labels_of_the_table_count_once_they_are_known(tmp_path):
    requests = world(1200, worse=2.5)
    log_shadow_trial(tmp_path, requests, keyed=True)
    write_outcomes(tmp_path, requests, known_after=timedelta(hours=3))
    assert "0 of 1200 labelled" in judged(tmp_path, requests[-1].at + timedelta(minutes=1))[0].reason
    assert judged(tmp_path)[0].outcome is Outcome.FAIL


def test_a_key_that_was_requested_twice_counts_once(tmp_path):
    requests = world(60)
    log_shadow_trial(tmp_path, requests, keyed=True)
    again = [replace(row, at=row.at + timedelta(hours=1)) for row in requests]
    log_shadow_trial(tmp_path, again, keyed=True)
    write_outcomes(tmp_path, requests, known_after=timedelta(minutes=1))
    assert judged(tmp_path)[0].observations == 60


def test_an_impossible_label_does_not_count(tmp_path):
    requests = world(50)
    log_shadow_trial(tmp_path, requests)
    send_labels(tmp_path, [replace(row, label=7) for row in requests])
    assert judged(tmp_path)[0].observations == 0


@pytest.mark.parametrize("votes", [True, False])
def test_a_check_without_a_vote_is_computed_all_the_same(tmp_path, votes):
    requests = world(800, worse=2.5)
    log_shadow_trial(tmp_path, requests)
    send_labels(tmp_path, requests)
    rules = replace(RULES, votes=frozenset({TrialCheck.QUALITY} if votes else ()))
    (state,) = judged(tmp_path, rules=rules)
    assert (state.outcome, state.votes) == (Outcome.FAIL, votes)
