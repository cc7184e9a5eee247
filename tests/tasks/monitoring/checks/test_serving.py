"""Answered requests per hour: which changes fail by name, and when there is nothing to judge."""

from datetime import timedelta

import pandas as pd
import pytest

from healing.verdict import Outcome
from tasks.monitoring.checks.serving import judge_serving, read_requests
from tests.tasks.monitoring.request_log import BEGIN, NOW, log_requests, requests


def judge(root, now=NOW):
    return judge_serving(root, now, days=14, requests_min=20)


def outcomes(root):
    return {found.verdict.check: found.verdict.outcome for found in judge(root)}


QUIET = {"latency": Outcome.PASS, "failures": Outcome.PASS, "requests": Outcome.PASS}


@pytest.mark.parametrize(
    ("world", "failing"),
    [
        ({}, None),
        ({"slow": 4.0}, "latency"),
        ({"failing": 0.4}, "failures"),
        ({"share": 0.2}, "requests"),
    ],
)
def test_a_change_of_some_hours_fails_by_name(tmp_path, world, failing):
    log_requests(tmp_path, requests(**world))
    found = outcomes(tmp_path)
    if failing is None:
        assert found == QUIET
    else:
        assert found[failing] is Outcome.FAIL
        assert all(outcome is not Outcome.FAIL for check, outcome in found.items() if check != failing)


def test_without_requests_there_is_nothing_to_judge(tmp_path):
    assert judge(tmp_path) == ()
    log_requests(tmp_path, requests())
    assert judge(tmp_path, NOW + timedelta(days=30)) == ()


def test_minutes_of_traffic_are_inconclusive(tmp_path):
    log_requests(tmp_path, requests().head(100))
    found = judge(tmp_path, BEGIN + timedelta(hours=2))
    assert {each.verdict.outcome for each in found} == {Outcome.INCONCLUSIVE}


def test_a_log_of_an_older_gateway_without_latencies_is_readable(tmp_path):
    log_requests(tmp_path, requests().drop(columns=["failed", "latency_ms"]))
    assert outcomes(tmp_path) == {**QUIET, "latency": Outcome.INCONCLUSIVE}


def test_probes_and_further_rows_of_a_request_do_not_count(tmp_path):
    rows = requests(hours=1)
    others = pd.concat([rows.assign(request_id="probe-" + rows["request_id"]), rows.assign(row=1)])
    log_requests(tmp_path, pd.concat([rows, others]))
    assert len(read_requests(tmp_path, NOW, 14)) == len(rows)


def test_intervals_with_too_few_requests_are_left_out(tmp_path):
    log_requests(tmp_path, requests())
    found = {each.verdict.check: each.verdict.outcome for each in judge_serving(tmp_path, NOW, 14, requests_min=1000)}
    assert found == {**QUIET, "latency": Outcome.INCONCLUSIVE, "failures": Outcome.INCONCLUSIVE}
