"""Champion comparison on the lake: which rows, scores and labels count, and when a challenger fails."""

import json
from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest

from healing.trial_rules import DEFAULT_RULES, TrialCheck
from healing.verdict import Outcome
from releases.manifest import ReferenceProfile
from tasks.monitoring.champion_comparison import judge_rows, paired_quality
from tasks.monitoring.paired_rows import with_columns
from tests.gateway.rows.test_ranges import MANIFEST
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


def segmented(values, labelled=True):
    """The names of the segments, and the reason, for logged values of `kind`, of which training knew two."""
    reference = ReferenceProfile(rows=100, categorical={"kind": {"a": 0.5, "b": 0.5}})
    rows = with_columns(
        pd.DataFrame(
            {
                "at": [BEGAN + timedelta(seconds=number) for number in range(len(values))],
                "features": [json.dumps(value) for value in values],
                "champion": 0.4,
                "challenger": 0.5,
                "label": 1.0,
            }
        ),
        ["kind"],
    )
    manifest = MANIFEST.model_copy(update={"reference": reference})
    states = judge_rows(rows, ["kind"], manifest, RULES, 0.05)
    return [state.reason.partition(":")[0] for state in states]


def test_hashed_values_are_segments_in_the_order_of_their_first_request():
    codes = [{"kind": {"hash": code}} for code in "zzyxyx"]
    assert segmented(codes) == ["all rows", "kind=another value", "kind=hash y", "kind=hash z"]


def test_rows_without_a_logged_value_are_in_no_segment():
    assert segmented([{"kind": "a"}, {}, {"kind": None}, {"kind": "c"}]) == ["all rows", "kind=a", "kind=another value"]


def test_what_the_gateway_did_not_log_is_in_the_reason_of_the_comparison(tmp_path):
    requests = world(60)
    log_shadow_trial(tmp_path, requests)
    pipeline = toy_pipeline().model_copy(update={"segments": ("gate",)})
    overall, *_ = paired_quality(pipeline, tmp_path, CHAMPION, CHALLENGER, BEGAN, RULES, LATER)
    assert overall.outcome is Outcome.INCONCLUSIVE
    assert "not observed: 'gate' is not logged in 60 rows, which are in no segment" in overall.reason
