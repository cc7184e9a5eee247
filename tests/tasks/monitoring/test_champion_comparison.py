"""Paired quality through the lake: what was logged, scored and said, and what of it counts."""

from dataclasses import replace
from datetime import timedelta

import pytest

from healing.trial_rules import DEFAULT_RULES, Check
from healing.verdict import Outcome
from tasks.monitoring.champion_comparison import paired_quality
from tests.tasks.monitoring.paired_world import (
    BEGAN,
    CHALLENGER,
    CHAMPION,
    log_shadow_trial,
    say,
    world,
    write_outcomes,
)
from tests.toy import toy_pipeline

RULES = replace(DEFAULT_RULES, quality_block_seconds=60.0)
LATER = BEGAN + timedelta(days=2)


def judged(lake, until=LATER, rules=RULES):
    return paired_quality(toy_pipeline(), lake, CHAMPION, CHALLENGER, BEGAN, rules, until)


def test_a_challenger_that_loses_more_on_what_clients_say_is_condemned(tmp_path):
    asked = world(1200, worse=2.5)
    log_shadow_trial(tmp_path, asked)
    say(tmp_path, asked)
    (state,) = judged(tmp_path)
    assert (state.check, state.outcome, state.votes) == (Check.QUALITY, Outcome.FAIL, True)
    assert state.observations == 1200
    assert "1200 of 1200 labelled" in state.reason


def test_one_that_is_as_good_is_not(tmp_path):
    asked = world(1200)
    log_shadow_trial(tmp_path, asked)
    say(tmp_path, asked)
    assert judged(tmp_path)[0].outcome is Outcome.INCONCLUSIVE


def test_labels_that_never_arrive_decide_nothing_and_say_so(tmp_path):
    log_shadow_trial(tmp_path, world(300, worse=2.5))
    (state,) = judged(tmp_path)
    assert state.outcome is Outcome.INCONCLUSIVE
    assert "0 of 300 labelled" in state.reason


def test_before_anything_is_logged_there_is_nothing_to_say(tmp_path):
    (state,) = judged(tmp_path)
    assert (state.outcome, state.observations) == (Outcome.INCONCLUSIVE, 0)


def test_labels_of_the_table_count_from_when_they_are_known(tmp_path):
    asked = world(1200, worse=2.5)
    log_shadow_trial(tmp_path, asked, keyed=True)
    write_outcomes(tmp_path, asked, known_after=timedelta(hours=3))
    assert "0 of 1200 labelled" in judged(tmp_path, asked[-1].at + timedelta(minutes=1))[0].reason
    assert judged(tmp_path)[0].outcome is Outcome.FAIL


def test_of_a_key_asked_for_twice_one_row_counts(tmp_path):
    asked = world(60)
    log_shadow_trial(tmp_path, asked, keyed=True)
    again = [replace(row, at=row.at + timedelta(hours=1)) for row in asked]
    log_shadow_trial(tmp_path, again, keyed=True)
    write_outcomes(tmp_path, asked, known_after=timedelta(minutes=1))
    assert judged(tmp_path)[0].observations == 60


def test_a_label_that_cannot_be_is_none(tmp_path):
    asked = world(50)
    log_shadow_trial(tmp_path, asked)
    say(tmp_path, [replace(row, label=7) for row in asked])
    assert judged(tmp_path)[0].observations == 0


@pytest.mark.parametrize("votes", [True, False])
def test_a_check_without_a_vote_is_computed_all_the_same(tmp_path, votes):
    asked = world(800, worse=2.5)
    log_shadow_trial(tmp_path, asked)
    say(tmp_path, asked)
    rules = replace(RULES, votes=frozenset({Check.QUALITY} if votes else ()))
    (state,) = judged(tmp_path, rules=rules)
    assert (state.outcome, state.votes) == (Outcome.FAIL, votes)
