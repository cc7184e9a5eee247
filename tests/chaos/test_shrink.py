from types import SimpleNamespace

import pytest

from chaos.shrink import Undecided, needed_faults, shrink_drill
from chaos.verdict import Exit


class Runs:
    """Trials that do not recover when all of the `guilty` faults are injected together."""

    def __init__(self, faults, *guilty):
        self.every, self.guilty, self.names = range(1, faults + 1), set(guilty), []

    def __call__(self, name):
        self.names.append(name)
        part = name.partition(":")[2]
        injected = set(map(int, part.split("+"))) if part else set(self.every)
        ended = Exit.NOT_RECOVERED if self.guilty <= injected else Exit.RECOVERED
        return SimpleNamespace(name=name, exit=ended, reason="")


@pytest.mark.parametrize("guilty", [(1,), (4,), (2, 5), (1, 2, 3, 4, 5)])
def test_the_smallest_failing_part_has_the_guilty_faults_only(guilty):
    runs = Runs(5, *guilty)
    shrunk = shrink_drill("liveness-3", 5, runs)
    wanted = "liveness-3" if len(guilty) == 5 else f"liveness-3:{'+'.join(map(str, guilty))}"
    assert shrunk.name == wanted
    assert shrunk.trials == len(runs.names) <= 6


def test_a_drill_that_recovers_is_run_once():
    shrunk = shrink_drill("pair-3", 2, Runs(2, 3))
    assert (shrunk.name, shrunk.trials) == (None, 1)


def test_a_part_that_no_client_notices_does_not_fail():
    answers = {"pair-3": Exit.NOT_RECOVERED, "pair-3:2": Exit.HARNESS_FAILED, "pair-3:1": Exit.NOT_RECOVERED}
    shrunk = shrink_drill("pair-3", 2, lambda name: SimpleNamespace(name=name, exit=answers[name], reason=""))
    assert shrunk.name == "pair-3:1"


def test_a_stack_that_is_not_steady_decides_nothing():
    with pytest.raises(Undecided, match="NOT_STEADY: a fallback is missing"):
        shrink_drill(
            "pair-3", 2, lambda name: SimpleNamespace(name=name, exit=Exit.NOT_STEADY, reason="a fallback is missing")
        )


def test_the_last_fault_is_never_left_out():
    assert needed_faults((1,), lambda numbers: True) == (1,)
