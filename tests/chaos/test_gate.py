import pytest

from chaos.gate import Baseline, DrillBaseline, baseline_of, regressions
from chaos.outcome import machine_kind
from chaos.verdict import Exit
from tests.chaos.outcomes import trial


def baseline(trials=20, recovered=20, seconds=4.0):
    times = [seconds] * recovered + [None] * (trials - recovered)
    drill = DrillBaseline(trials=trials, recovered=recovered, recover_seconds=tuple(times))
    return Baseline(machine=machine_kind(), revision="abc", drills={"model-corruption": drill})


def trials(recovered, failed, seconds=4.0):
    good = [trial(seconds=seconds + i / 100, minute=i) for i in range(recovered)]
    return good + [trial(Exit.NOT_RECOVERED, minute=100 + i) for i in range(failed)]


@pytest.mark.parametrize(
    ("after", "regressed"),
    [
        (trials(5, 0), False),
        (trials(4, 1), False),  # p = 0.2
        (trials(3, 2), True),
        (trials(0, 3), True),
        (trials(5, 0, seconds=9.0), True),
        (trials(5, 0, seconds=5.5), False),  # less than half as long again
        (trials(2, 0, seconds=90.0), False),  # too few times
    ],
)
def test_a_drill_regresses_when_fewer_recover_or_it_takes_clearly_longer(after, regressed):
    assert bool(regressions(baseline(), after)) is regressed


def test_a_short_recovery_may_double_within_what_sampling_does():
    assert regressions(baseline(seconds=0.2), trials(5, 0, seconds=0.5)) == []


def test_other_machines_stacks_ablations_and_failures_of_the_harness_are_not_compared():
    others = [trial(Exit.NOT_RECOVERED, machine="64-cores-riscv", minute=i) for i in range(9)]
    elsewhere = [trial(Exit.NOT_RECOVERED, target="staging", minute=i) for i in range(9)]
    ablated = [trial(Exit.NOT_RECOVERED, ablated="rollback", minute=i) for i in range(9)]
    broken = [trial(Exit.HARNESS_FAILED, minute=i) for i in range(9)]
    assert regressions(baseline(), [*others, *elsewhere, *ablated, *broken, *trials(3, 0)]) == []


def test_a_baseline_of_trials_compares_equal_with_them():
    after = trials(4, 1)
    found = baseline_of(after)
    assert found.drills["model-corruption"].recover_seconds == (4.0, 4.01, 4.02, 4.03, None)
    assert regressions(found, after) == []
