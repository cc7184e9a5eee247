"""How far a rollout is can be read by anybody, and its absence stops nothing."""

import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from healing.release import Mode
from healing.trial_rules import Check, CheckState
from healing.verdict import Outcome
from tasks.rollout.progress import CheckProgress, Phase, Progress, ProgressFile
from tasks.rollout.rollout_status import line, page


def state(check: Check, log_e: float, threshold: float = 7.0, *, votes: bool = True) -> CheckProgress:
    return CheckProgress.of(CheckState(check, Outcome.INCONCLUSIVE, log_e, threshold, 40, votes, "2 of 40"))


PROGRESS = Progress(
    pipeline="flights",
    digest="b" * 64,
    version="1.2.3",
    phase=Phase.WATCHING,
    at=datetime(2013, 3, 1, 12, tzinfo=UTC),
    stage=2,
    stages=5,
    mode=Mode.CANARY,
    weight=0.05,
    requests=40,
    errors=2,
    requests_needed=114,
    seconds_left=61.4,
    checks=(state(Check.ERRORS, 5.5), state(Check.LATENCY, 0.5), state(Check.DISAGREEMENT, 6.9, votes=False)),
)


def test_what_is_written_is_read(tmp_path):
    file = ProgressFile(tmp_path)
    assert file.read() is None
    file.write(PROGRESS)
    assert file.read() == PROGRESS


def test_a_disk_that_does_not_take_it_stops_nothing(tmp_path):
    ProgressFile(tmp_path / "absent" / "directory").write(PROGRESS)
    ProgressFile(Path("/proc/nowhere")).write(PROGRESS)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"phase": "dancing"}'])
def test_what_another_version_wrote_reads_as_nothing(tmp_path, content):
    (tmp_path / "rollout.json").write_bytes(content)
    assert ProgressFile(tmp_path).read() is None


def test_a_check_that_saw_nothing_can_be_written(tmp_path):
    unseen = PROGRESS.model_copy(update={"checks": (state(Check.QUALITY, -math.inf),)})
    ProgressFile(tmp_path).write(unseen)
    read = ProgressFile(tmp_path).read()
    assert read is not None
    assert read.checks[0].log_e is None


def test_a_line_tells_stage_exposure_the_nearest_voting_check_and_what_is_needed():
    assert line(PROGRESS) == (
        "1.2.3  stage 2 of 5 (canary 5.0%)  watching  |  40 requests, 2 errors  |  114 more needed  |  "
        "errors 5.50 / 7.00  |  61 s left"
    )


def test_the_page_tells_every_check_and_who_has_no_vote():
    told = page(PROGRESS)
    assert "| errors | INCONCLUSIVE | 5.50 / 7.00 | 40 | yes |" in told
    assert "| disagreement | INCONCLUSIVE | 6.90 / 7.00 | 40 | shown only |" in told


def test_a_question_is_told():
    asking = PROGRESS.model_copy(update={"phase": Phase.ASKING, "question": "may 2.0.0 answer users?"})
    assert "may 2.0.0 answer users?" in line(asking)
    assert "may 2.0.0 answer users?" in page(asking)
