"""Disagreement between the scores of a shadow and the predictions that were given."""

import numpy as np
import pytest

from healing.verdict import Outcome
from tasks.monitoring.checks.disagreement import judge_disagreement
from tests.tasks.monitoring.request_log import BEGIN, log_requests, requests


@pytest.mark.parametrize(("differing", "expected"), [(0.1, Outcome.PASS), (0.9, Outcome.FAIL)])
def test_a_shadow_that_disagrees_more_often_than_tolerated_fails(tmp_path, differing, expected):
    rows = requests()
    log_requests(tmp_path, rows)
    far = np.random.default_rng(0).random(len(rows)) < differing
    scores = rows[["epoch", "seq", "request_id", "row", "at"]].assign(digest="s", prediction=np.where(far, 0.9, 0.26))
    log_requests(tmp_path, scores, "shadow")
    [found] = judge_disagreement(tmp_path, "s", 0.1, 0.5, BEGIN)
    assert found.verdict.outcome is expected
    assert judge_disagreement(tmp_path, "another", 0.1, 0.5, BEGIN) == ()
