"""The wait for an approval: it ends with an answer, with the trial, or as a refusal when nobody answers in time."""

from pathlib import Path

import pytest

from healing.release import ModelRef
from tasks.rollout.approval import ApprovalAnswer, give_answer, version_question, waiting_for_answer
from tasks.rollout.release_changes import abort_trial
from tasks.rollout.rollout import Rollout
from tests.published import PIPELINE, bootstrap, start_canary

CHAMPION, CHALLENGER = ModelRef("a" * 64, "1.0.0"), ModelRef("b" * 64, "2.0.0")


@pytest.fixture
def rollout(tmp_path: Path) -> Rollout:
    root = tmp_path / "releases"
    bootstrap(root, CHAMPION)
    start_canary(root, CHALLENGER, 0.5)
    return Rollout(PIPELINE, CHALLENGER, 0.25, root, f"sqlite:///{tmp_path / 'ledger.db'}", None)


def test_without_an_answer_it_waits_until_the_time_is_over(rollout):
    question = version_question(rollout.release_root, CHALLENGER)
    assert waiting_for_answer(rollout, question, 60)() is None
    answer = waiting_for_answer(rollout, question, 0)()
    assert answer is not None
    assert (answer.approve, answer.in_words) == (False, "not approved: no answer within 0 s")


def test_it_ends_with_an_answer(rollout):
    question = version_question(rollout.release_root, CHALLENGER)
    answered = waiting_for_answer(rollout, question, 60)
    give_answer(rollout.journal, question.id, ApprovalAnswer(approve=True, by="Ada"))
    assert answered() == ApprovalAnswer(approve=True, by="Ada")


def test_it_ends_with_the_trial(rollout):
    answered = waiting_for_answer(rollout, version_question(rollout.release_root, CHALLENGER), 60)
    abort_trial(rollout.release_root, CHALLENGER.digest, author="gateway", note="errors: 9 of 30", fence=True)
    answer = answered()
    assert answer is not None
    assert answer.in_words == "refused by gateway: the trial ended meanwhile: errors: 9 of 30"
