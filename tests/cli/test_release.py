"""`autopilot release`: the verb is optional, `status` shows the rollout, `approve` and `abort` act on it."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.release_watch import shown
from healing.ab_rules import ABRules
from healing.errors import IllegalTransition, UsageError
from healing.release import Challenger, Mode, ModelRef
from releases.log import ReleaseLog, trial_of
from tasks.rollout.progress import Phase, RolloutProgress
from tasks.rollout.rollout_status import ProgressFile
from tests.gateway.running import wait_until
from tests.published import bootstrap, start_canary

CHAMPION, CHALLENGER = ModelRef("a" * 64, "1.0.0"), ModelRef("b" * 64, "1.0.1")


def progress(**changed: object) -> RolloutProgress:
    plain = RolloutProgress(
        pipeline="flights",
        digest=CHALLENGER.digest,
        version=CHALLENGER.version,
        phase=Phase.WATCHING,
        at=datetime.now(UTC),
        stage=2,
        stages=5,
        mode=Mode.CANARY,
        weight=0.05,
        requests=40,
    )
    return plain.model_copy(update=changed)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    with patch.dict(
        os.environ, AUTOPILOT_HOME=str(tmp_path)
    ):  # commands set Prefect's home from it; restored afterwards
        yield tmp_path / "releases" / "flights"


def run(*words: str) -> str:
    result = CliRunner().invoke(app, ["release", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_without_a_verb_a_model_is_released():
    result = CliRunner().invoke(app, ["release", "flights", "a" * 64, "superfluous"])
    assert result.exit_code == 2
    assert "release start" in result.output


def test_status_without_a_trial_shows_what_serves(root):
    bootstrap(root, CHAMPION)
    ProgressFile(root).write(progress())  # left by a rollout that has ended
    assert "no model is on trial" in run("status", "flights")
    assert "stage 2" not in run("status", "flights")
    ProgressFile(root).write(progress(phase=Phase.ASKING, at=datetime(2000, 1, 1, tzinfo=UTC)))  # before the release
    assert "stage 2" not in run("status", "flights")
    ProgressFile(root).write(progress(phase=Phase.ASKING))
    assert "stage 2" in run("status", "flights")


def test_status_shows_the_progress_of_a_trial_and_whether_it_has_a_controller(root):
    bootstrap(root, CHAMPION)
    start_canary(root, CHALLENGER, 0.05)
    ProgressFile(root).write(progress())
    text = run("status", "flights")
    assert "1.0.1 is on trial (canary 5.0%) without a controller" in text
    assert "stage 2 of 5" in text
    document = json.loads(run("status", "flights", "--json"))
    assert (document["challenger"], document["controlled"], document["progress"]["requests"]) == ("1.0.1", False, 40)


def test_status_approve_and_abort_are_refused_without_a_rollout(root):
    with pytest.raises(UsageError, match="no release yet"):
        run("status", "flights")
    bootstrap(root, CHAMPION)
    with pytest.raises(UsageError, match="waits for an answer"):
        run("approve", "flights", "--by", "Ada")
    with pytest.raises(IllegalTransition, match="no model of flights is on trial"):
        run("abort", "flights", "--by", "Ada", "--reason", "just so")


def test_an_answer_may_be_given_before_the_question(root):
    bootstrap(root, CHAMPION)
    start_canary(root, CHALLENGER, 1.0, Mode.SHADOW)
    assert "may 1.0.1 answer users in place of 1.0.0?" in run("approve", "flights", "--by", "Ada", "--reject")


def test_an_answer_to_an_ab_test_is_kept_for_its_next_controller(root):
    bootstrap(root, CHAMPION)
    log = ReleaseLog(root)
    split = Challenger(CHALLENGER, Mode.CANARY, 0.5, ab=ABRules("revenue", 0.0, 1.0))
    log.append(trial_of(log.current(), split, author="release", now=datetime.now(UTC)))
    assert "the A/B test of 1.0.1 is running; yes promotes it now" in run("approve", "flights", "--by", "Ada")
    assert "A/B test 50.0%" in run("status", "flights")


def test_rules_of_an_ab_test_need_ab(root):
    with pytest.raises(UsageError, match="expected --ab with --outcome, --days-max"):
        run("start", "flights", "a" * 64, "--outcome", "revenue", "--days-max", "3")


def test_watch_prints_only_changes_of_this_rollout(tmp_path, capsys):
    file = ProgressFile(tmp_path)
    file.write(progress(requests=1))  # left behind by a killed controller
    lines: list[str] = []

    def printed(text: str) -> bool:
        lines.extend(capsys.readouterr().err.splitlines())
        return any(text in line for line in lines)

    with shown(tmp_path, CHALLENGER.digest, enabled=True):
        file.write(progress(requests=41))
        wait_until(lambda: printed("41 requests"), "the first line", 20)
        file.write(progress(digest="c" * 64, requests=42))
        file.write(progress(requests=43, phase=Phase.HELD))
        wait_until(lambda: printed("held"), "the second line", 20)
    assert [line.split("  |  ")[1].split()[0] for line in lines] == ["41", "43"]
