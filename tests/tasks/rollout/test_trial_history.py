"""Which trials may be resumed: those that a controller began, until the time of their stage is over."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from healing.ab_rules import ABRules
from healing.moment import Moment
from healing.release import Challenger, Mode, ModelRef, Release
from releases.log import ReleaseLog, trial_of
from tasks.config.release_section import ReleaseRules
from tasks.rollout.rollout import RolloutJournal, Step, moment_of
from tasks.rollout.trial_history import START_SECONDS_MAX, resumable, stage_start
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


def after(seconds: float) -> Moment:
    """A moment of which only the wall clock is known."""
    return Moment(datetime.now(UTC) + timedelta(seconds=seconds))


def test_a_controllers_trial_is_resumable_within_its_time(tmp_path, dsn):
    trial = on_trial(tmp_path)
    resumption = resumable(tmp_path, dsn, RULES, after(1))
    assert resumption is not None
    assert (resumption.digest, resumption.key) == (CHALLENGER.digest, f"resume/{trial.generation}")


@pytest.mark.parametrize(("seconds", "in_time"), [(ENDS_SECONDS - 5, True), (ENDS_SECONDS + 5, False)])
def test_its_time_is_deadline_plus_hold_plus_start(tmp_path, dsn, seconds, in_time):
    on_trial(tmp_path)
    assert (resumable(tmp_path, dsn, RULES, after(seconds)) is not None) is in_time


def test_an_ab_test_is_resumable_until_its_own_time_is_over(tmp_path, dsn):
    bootstrap(tmp_path, CHAMPION)
    split = Challenger(CHALLENGER, Mode.CANARY, 0.5, ab=ABRules("revenue", 0.0, 1.0, seconds_max=7 * 86_400.0))
    log = ReleaseLog(tmp_path)
    log.append(trial_of(log.current(), split, author="release", now=datetime.now(UTC)))
    assert resumable(tmp_path, dsn, RULES, after(6 * 86_400)) is not None
    assert resumable(tmp_path, dsn, RULES, after(8 * 86_400)) is None


def test_an_ab_test_after_a_canary_of_the_same_share_is_a_stage_of_its_own(tmp_path):
    bootstrap(tmp_path, CHAMPION)
    log = ReleaseLog(tmp_path)
    canary = Challenger(CHALLENGER, Mode.CANARY, 0.5)
    for trial in (canary, replace(canary, ab=ABRules("revenue", 0.0, 1.0))):
        log.append(trial_of(log.current(), trial, author="release", now=datetime.now(UTC)))
    assert stage_start(tmp_path, log.current()).generation == log.latest_generation()


def test_while_an_approval_is_awaited_it_is_resumable_until_the_answer_is_due(tmp_path, dsn):
    trial = on_trial(tmp_path)
    journal = RolloutJournal(dsn, PIPELINE, CHALLENGER.digest)
    journal.write(Step.APPROVAL_ASKED, {"question": "version/2", "generation": trial.generation})
    assert resumable(tmp_path, dsn, RULES, after(RULES.approval_seconds_max - 5)) is not None
    assert resumable(tmp_path, dsn, RULES, after(RULES.approval_seconds_max + 5)) is None


@pytest.mark.parametrize("step", [timedelta(days=1), -timedelta(days=1)])
@pytest.mark.parametrize(("seconds", "in_time"), [(ENDS_SECONDS - 5, True), (ENDS_SECONDS + 5, False)])
def test_a_step_of_the_wall_clock_changes_nothing_once_the_stage_has_started(tmp_path, dsn, step, seconds, in_time):
    trial = on_trial(tmp_path)
    journal = RolloutJournal(dsn, PIPELINE, CHALLENGER.digest)
    began = moment_of(journal.write_once(Step.STAGE_STARTED, {"generation": trial.generation}))
    assert began.boot_seconds is not None
    now = Moment(began.wall + step, began.boot_id, began.boot_seconds + seconds)
    assert (resumable(tmp_path, dsn, RULES, now) is not None) is in_time


def test_a_trial_of_another_author_is_not_resumable(tmp_path, dsn):
    on_trial(tmp_path, author="somebody")
    assert resumable(tmp_path, dsn, RULES, after(1)) is None


def test_a_stage_that_the_pipeline_no_longer_has_is_not_resumable(tmp_path, dsn):
    on_trial(tmp_path, weight=0.07)
    assert resumable(tmp_path, dsn, RULES, after(1)) is None


def test_without_a_trial_nothing_is_resumable(tmp_path, dsn):
    assert resumable(tmp_path, dsn, RULES, after(1)) is None
    bootstrap(tmp_path, CHAMPION)
    assert resumable(tmp_path, dsn, RULES, after(1)) is None
