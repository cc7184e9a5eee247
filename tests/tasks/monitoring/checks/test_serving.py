"""The record of answered requests, hour by hour: what it alarms on, and that silence is no alarm."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from deltalake import write_deltalake

from healing.verdict import Outcome
from tasks.monitoring.checks.disagreement import judge_disagreement
from tasks.monitoring.checks.serving import judge_serving, read_requests

BEGIN = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
HOURS = 30
NOW = BEGIN + timedelta(hours=HOURS, minutes=20)


def requests(seed=0, *, slow=1.0, failing=0.0, share=1.0, hours=HOURS, extra=()):
    """Sixty requests an hour, and in the last three hours slower, failing, or fewer ones."""
    generator = np.random.default_rng(seed)
    rows = []
    for hour in range(hours + 1):  # the last one is not over
        late = hour >= hours - 3
        for number in range(int(generator.poisson(60) * (share if late else 1.0))):
            rows.append(
                {
                    "epoch": "e",
                    "seq": len(rows),
                    "request_id": f"{hour}-{number}",
                    "row": 0,
                    "at": BEGIN + timedelta(hours=hour, seconds=30 * number),
                    "digest": "d",
                    "rung": "champion",
                    "prediction": 0.25,
                    "failed": "d" if late and generator.random() < failing else "",
                    "latency_ms": 10 * generator.lognormal(0, 0.3) * (slow if late else 1.0),
                }
            )
    return pd.DataFrame([*rows, *extra])


def logged(root, rows, table="predictions"):
    write_deltalake(root / table, rows.assign(at=rows["at"].astype("datetime64[us, UTC]")), mode="append")


def outcomes(root, days=14):
    return {judged.verdict.check: judged.verdict.outcome for judged in judge_serving(root, NOW, days)}


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
def test_what_changed_for_hours_is_found_by_name(tmp_path, world, failing):
    logged(tmp_path, requests(**world))
    found = outcomes(tmp_path)
    if failing is None:
        assert found == QUIET
    else:
        assert found[failing] is Outcome.FAIL
        assert all(outcome is not Outcome.FAIL for check, outcome in found.items() if check != failing)


def test_where_nobody_asked_there_is_no_check(tmp_path):
    assert judge_serving(tmp_path, NOW, 14) == ()
    logged(tmp_path, requests())
    assert judge_serving(tmp_path, NOW + timedelta(days=30), 14) == ()


def test_minutes_of_traffic_are_inconclusive(tmp_path):
    logged(tmp_path, requests().head(100))
    judged = judge_serving(tmp_path, BEGIN + timedelta(hours=2), 14)
    assert {each.verdict.outcome for each in judged} == {Outcome.INCONCLUSIVE}


def test_a_log_of_an_older_gateway_has_no_latencies_and_is_read_all_the_same(tmp_path):
    logged(tmp_path, requests().drop(columns=["failed", "latency_ms"]))
    assert outcomes(tmp_path) == {**QUIET, "latency": Outcome.INCONCLUSIVE}


def test_probes_and_further_rows_of_a_request_do_not_count(tmp_path):
    rows = requests(hours=1)
    others = pd.concat([rows.assign(request_id="probe-" + rows["request_id"]), rows.assign(row=1)])
    logged(tmp_path, pd.concat([rows, others]))
    assert len(read_requests(tmp_path, NOW, 14)) == len(rows)


@pytest.mark.parametrize(("apart", "expected"), [(0.1, Outcome.PASS), (0.9, Outcome.FAIL)])
def test_a_shadow_that_disagrees_more_often_than_is_tolerated_fails(tmp_path, apart, expected):
    rows = requests()
    logged(tmp_path, rows)
    far = np.random.default_rng(0).random(len(rows)) < apart
    scores = rows[["epoch", "seq", "request_id", "row", "at"]].assign(digest="s", prediction=np.where(far, 0.9, 0.26))
    logged(tmp_path, scores, "shadow")
    judged = judge_disagreement(tmp_path, "s", 0.1, 0.5, BEGIN)
    assert judged is not None
    assert judged.verdict.outcome is expected
    assert judge_disagreement(tmp_path, "another", 0.1, 0.5, BEGIN) is None
