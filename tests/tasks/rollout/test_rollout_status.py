"""The progress file of a rollout: anybody can read it, and no error of the disk stops the rollout."""

import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from healing.trial_rules import CheckState, TrialCheck
from healing.verdict import Outcome
from tasks.rollout.progress import CheckProgress, Phase, RolloutProgress
from tasks.rollout.rollout_status import ProgressFile

PROGRESS = RolloutProgress(
    pipeline="flights",
    digest="b" * 64,
    version="1.2.3",
    phase=Phase.WATCHING,
    at=datetime(2013, 3, 1, 12, tzinfo=UTC),
    checks=(CheckProgress.of(CheckState(TrialCheck.ERRORS, Outcome.INCONCLUSIVE, 5.5, 7.0, 40, True, "2 of 40")),),
)


def test_written_progress_is_read_back(tmp_path):
    file = ProgressFile(tmp_path)
    assert file.read() is None
    file.write(PROGRESS)
    assert file.read() == PROGRESS


def test_a_disk_that_refuses_the_file_raises_nothing(tmp_path):
    ProgressFile(tmp_path / "absent" / "directory").write(PROGRESS)
    ProgressFile(Path("/proc/nowhere")).write(PROGRESS)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"phase": "dancing"}'])
def test_progress_of_another_version_reads_as_none(tmp_path, content):
    (tmp_path / "rollout.json").write_bytes(content)
    assert ProgressFile(tmp_path).read() is None


def test_a_check_without_observations_can_be_written(tmp_path):
    unseen_check = CheckState(TrialCheck.QUALITY, Outcome.INCONCLUSIVE, -math.inf, 7.0, 0, True, "")
    unseen = PROGRESS.model_copy(update={"checks": (CheckProgress.of(unseen_check),)})
    ProgressFile(tmp_path).write(unseen)
    read = ProgressFile(tmp_path).read()
    assert read is not None
    assert read.checks[0].log_e is None
