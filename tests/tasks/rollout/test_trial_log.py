"""Logged requests of a trial: which arm each belongs to, which ones are left out, and what the log misses."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from healing.release import Mode
from tasks.rollout.trial_log import TrialLog

BEGAN = datetime(2013, 3, 1, 12, tzinfo=UTC)
ENDED = BEGAN + timedelta(hours=1)
CHAMPION, CHALLENGER = "a" * 64, "b" * 64


def answer(second, *, digest=CHAMPION, rung="champion", failed="", ms=5.0, prediction=0.5, name=None, generation=2):
    return {
        "epoch": "e", "seq": int(1000 * second) + 10**7, "request_id": name or f"r{second}", "row": 0,
        "at": BEGAN + timedelta(seconds=second), "generation": generation, "digest": digest, "version": "1.0.0",
        "rung": rung, "prediction": prediction, "failed": failed, "latency_ms": ms,
    }  # fmt: skip


def score(second, prediction, *, error="", name=None):
    return {
        "epoch": "e", "seq": int(1000 * second), "request_id": name or f"r{second}", "row": 0,
        "at": BEGAN + timedelta(seconds=second), "generation": 2, "digest": CHALLENGER, "prediction": prediction,
        "error": error,
    }  # fmt: skip


@pytest.fixture
def lake(tmp_path):
    def with_rows(answers, scores=()):
        for table, rows in (("predictions", answers), ("shadow", scores)):
            if rows:
                frame = pd.DataFrame(rows)
                write_deltalake(tmp_path / table, pa.Table.from_pandas(frame, preserve_index=False))
        return TrialLog(tmp_path, BEGAN, ENDED, CHALLENGER)

    return with_rows


def test_a_request_belongs_to_the_arm_that_was_asked_first(lake):
    log = lake(
        [
            answer(1),
            answer(2, digest=CHALLENGER, rung="challenger", prediction=0.7),
            answer(3, failed=CHALLENGER),
            answer(4, failed=CHAMPION, rung="fallback", digest="c" * 64),
            answer(5, rung="baseline", digest=None),
            answer(6, name="probe-1"),
            answer(7, generation=3),
        ]
    )
    requests, missing, _ = log.requests(2, Mode.CANARY)
    assert [(each.challenger, each.failed, each.answer) for each in requests] == [
        (False, False, 0.5),
        (True, False, 0.7),
        (True, True, None),
        (False, True, None),
    ]
    assert missing == ()


def test_the_champions_answers_before_the_stage_fix_what_is_slow(lake):
    before = [answer(-1000 + n, ms=10.0, generation=1) for n in range(200)]
    timed = [answer(1, ms=19.0), answer(2, ms=21.0), answer(2.01, ms=21.0), answer(3, failed=CHAMPION, ms=99.0)]
    log = lake([*before, *timed])
    log.fix_slow(BEGAN, CHAMPION, factor=2.0)
    requests, _, notes = log.requests(2, Mode.CANARY)
    assert [request.slow for request in requests] == [
        False,
        True,
        None,
        None,
    ]  # the third was in the second one's batch
    assert notes == ()


def test_with_few_earlier_answers_slow_is_unknown_and_a_note_says_so(lake):
    log = lake([answer(-5, generation=1), answer(1)])
    log.fix_slow(BEGAN, CHAMPION, factor=2.0)
    requests, _, (note,) = log.requests(2, Mode.CANARY)
    assert (requests[0].slow, note) == (None, "too few answers of the champion before the trial to define what is slow")


def test_rows_of_an_older_gateway_are_counted_as_missing(lake):
    older = [{k: v for k, v in answer(n).items() if k not in ("failed", "latency_ms")} for n in range(3)]
    requests, (missing,), _ = lake(older).requests(2, Mode.CANARY)
    assert requests == ()
    assert missing.startswith("3 of 3 rows do not say which arm failed")


def test_copies_that_failed_as_a_batch_are_one_failure_and_other_failures_count_each(lake):
    names = [f"r{n}" for n in range(7)]
    answers = [answer(n / 10, name=name) for n, name in enumerate(names)]
    answers[6] |= {"rung": "fallback"}
    died = "version 2.0.0 died on a batch: gone"
    log = lake(
        answers,
        [
            score(1, 0.6, name="r0"),
            score(2, None, error=died, name="r1"),
            score(2, None, error=died, name="r2"),
            score(3, None, error="no number", name="r3"),
            score(3, None, error="no number", name="r4"),
            score(4, None, error="version 2.0.0 is starting", name="r5"),
            score(5, None, error="no number", name="r6"),
        ],
    )
    copies, missing, _ = log.requests(2, Mode.SHADOW)
    assert [(copy.failed, copy.answer, copy.given) for copy in copies] == [
        (False, 0.6, 0.5),
        (True, None, 0.5),
        (True, None, 0.5),
        (True, None, 0.5),
    ]
    assert missing == ()


def test_a_stage_that_is_not_in_the_lake_is_reported_as_missing(lake):
    assert lake([]).requests(2, Mode.CANARY)[1] == ("the lake has no answers of generation 2",)
    assert lake([answer(1)]).requests(2, Mode.SHADOW)[1] == ("the lake has no shadow scores of generation 2",)
