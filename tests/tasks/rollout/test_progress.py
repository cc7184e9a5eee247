"""A rollout's progress as one line and as a page."""

from datetime import UTC, datetime

from healing.release import Mode
from healing.trial_rules import CheckState, TrialCheck
from healing.verdict import Outcome
from tasks.rollout.progress import CheckProgress, Phase, RolloutProgress, progress_line, progress_page


def state(check: TrialCheck, log_e: float, threshold: float = 7.0, *, votes: bool = True) -> CheckProgress:
    return CheckProgress.of(CheckState(check, Outcome.INCONCLUSIVE, log_e, threshold, 40, votes, "2 of 40"))


PROGRESS = RolloutProgress(
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
    checks=(
        state(TrialCheck.ERRORS, 5.5),
        state(TrialCheck.LATENCY, 0.5),
        state(TrialCheck.DISAGREEMENT, 6.9, votes=False),
    ),
)


def test_the_line_has_stage_exposure_nearest_voting_check_and_what_is_needed():
    assert progress_line(PROGRESS) == (
        "1.2.3  stage 2 of 5 (canary 5.0%)  watching  |  40 requests, 2 errors  |  114 more needed  |  "
        "errors 5.50 / 7.00  |  61 s left"
    )


def test_the_page_has_every_check_and_marks_those_without_a_vote():
    text = progress_page(PROGRESS)
    assert "| errors | INCONCLUSIVE | 5.50 / 7.00 | 40 | yes |" in text
    assert "| disagreement | INCONCLUSIVE | 6.90 / 7.00 | 40 | shown only |" in text


def test_line_and_page_have_the_open_question():
    asking = PROGRESS.model_copy(update={"phase": Phase.ASKING, "question": "may 2.0.0 answer users?"})
    assert "may 2.0.0 answer users?" in progress_line(asking)
    assert "may 2.0.0 answer users?" in progress_page(asking)
