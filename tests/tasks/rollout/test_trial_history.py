"""A trial is gone on with while its stage's time is not over, and only one that a controller began."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from healing.release import Challenger, Mode, ModelRef, Release
from releases.log import ReleaseLog, trial_of
from tasks.config.release_section import ReleaseRules
from tasks.rollout.rollout import RolloutJournal, Step
from tasks.rollout.trial_history import START_SECONDS_MAX, resumable
from tests.published import PIPELINE, bootstrap

CHAMPION, CHALLENGER = ModelRef("a" * 64, "1.0.0"), ModelRef("b" * 64, "1.0.1")
RULES = ReleaseRules.model_validate({"stages": [{"weight": 0.05, "deadline_seconds": 60, "hold_seconds": 30}]})
ENDS_SECONDS = 90 + START_SECONDS_MAX


@pytest.fixture
def dsn(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


def on_trial(root: Path, author: str = "release", weight: float = 0.05) -> Release:
    bootstrap(root, CHAMPION)
    current = ReleaseLog(root).current()
    trial = trial_of(current, Challenger(CHALLENGER, Mode.CANARY, weight), author=author, now=datetime.now(UTC))
    ReleaseLog(root).append(trial)
    return trial


def after(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def test_a_young_trial_of_a_controller_is_resumed(tmp_path, dsn):
    trial = on_trial(tmp_path)
    resumption = resumable(tmp_path, dsn, RULES, after(1))
    assert resumption is not None
    assert (resumption.digest, resumption.key) == (CHALLENGER.digest, f"resume/{trial.generation}")


@pytest.mark.parametrize(("seconds", "young"), [(ENDS_SECONDS - 5, True), (ENDS_SECONDS + 5, False)])
def test_its_time_is_deadline_hold_and_a_start(tmp_path, dsn, seconds, young):
    on_trial(tmp_path)
    assert (resumable(tmp_path, dsn, RULES, after(seconds)) is not None) is young


def test_waiting_for_a_person_takes_as_long_as_the_person_has(tmp_path, dsn):
    trial = on_trial(tmp_path)
    journal = RolloutJournal(dsn, PIPELINE, CHALLENGER.digest)
    journal.write(Step.APPROVAL_ASKED, {"question": "version/2", "generation": trial.generation})
    assert resumable(tmp_path, dsn, RULES, after(RULES.approval_seconds_max - 5)) is not None
    assert resumable(tmp_path, dsn, RULES, after(RULES.approval_seconds_max + 5)) is None


def test_a_trial_that_somebody_put_there_by_hand_is_not(tmp_path, dsn):
    on_trial(tmp_path, author="somebody")
    assert resumable(tmp_path, dsn, RULES, after(1)) is None


def test_a_stage_that_the_pipeline_has_no_more_is_not(tmp_path, dsn):
    on_trial(tmp_path, weight=0.07)
    assert resumable(tmp_path, dsn, RULES, after(1)) is None


def test_nothing_is_on_trial(tmp_path, dsn):
    assert resumable(tmp_path, dsn, RULES, after(1)) is None
    bootstrap(tmp_path, CHAMPION)
    assert resumable(tmp_path, dsn, RULES, after(1)) is None
