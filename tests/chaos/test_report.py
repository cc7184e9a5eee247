from datetime import UTC, datetime

import pytest

from chaos.outcome import OUTCOME_FILE, DrillOutcome, read_outcomes
from chaos.report import summarise
from chaos.verdict import Durations, Exit
from tests.chaos.outcomes import trial


def outcome(code, seconds=None, name="model-corruption", ablated=None, minute=0, directory="/nowhere"):
    durations = Durations(recover=(seconds - 1, seconds), detect=(1, 2)) if seconds else Durations()
    return DrillOutcome(
        name=name,
        pipeline="flights",
        started_at=datetime(2026, 1, 1, 0, minute, tzinfo=UTC),
        exit=code,
        reason="",
        ablated=ablated,
        durations=durations,
        directory=directory,
    )


def test_a_trial_that_did_not_recover_counts_as_longest():
    trials = [outcome(Exit.RECOVERED, 10.0), outcome(Exit.RECOVERED, 20.0), outcome(Exit.NOT_RECOVERED)]
    [summary] = summarise(trials)
    assert (summary.recovered, summary.trials) == (2, 3)
    assert summary.recover.p50 == 20.0
    assert summary.recover.p90 is None  # the 90 % quantile lies beyond everything that was seen
    assert summary.recover.max is None
    assert summary.mean_recover_seconds == 15.0


def test_a_recovery_that_came_too_late_is_not_a_recovery_time():
    [summary] = summarise([outcome(Exit.NOT_RECOVERED, 300.0)])
    assert summary.recovered == 0
    assert summary.recover.max is None
    assert summary.mean_recover_seconds is None


@pytest.mark.parametrize("code", [Exit.NOT_STEADY, Exit.FAULT_NOT_PROVEN, Exit.HARNESS_FAILED, Exit.ABORTED])
def test_a_harness_failure_is_not_counted_as_a_trial(code):
    [summary] = summarise([outcome(code), outcome(Exit.RECOVERED, 10.0)])
    assert (summary.recovered, summary.trials, summary.not_counted) == (1, 1, 1)


def test_ablations_are_reported_separately():
    summaries = summarise([outcome(Exit.RECOVERED, 10.0), outcome(Exit.NOT_RECOVERED, ablated="rollback")])
    assert [(each.ablated, each.recovered) for each in summaries] == [(None, 1), ("rollback", 0)]


def test_stored_outcomes_are_read_back_in_order(tmp_path):
    for minute in (2, 1):
        directory = tmp_path / "drills" / "noop" / f"t{minute}"
        directory.mkdir(parents=True)
        kept = outcome(Exit.RECOVERED, minute=minute, name="noop", directory=directory)
        (directory / OUTCOME_FILE).write_text(kept.model_dump_json())
    assert [each.started_at.minute for each in read_outcomes(tmp_path)] == [1, 2]


def test_a_summary_says_what_was_pooled():
    [one] = summarise([trial(), trial(minute=1)])
    assert one.pooled == ""
    others = [trial(), trial(minute=1, revision="def"), trial(minute=2, target="staging")]
    [pooled] = summarise(others)
    assert pooled.pooled == "2 revisions (abc, def); 2 stacks (this one, staging)"
