"""Shrinks a sampled drill that did not recover: which of its faults are needed for that."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chaos.outcome import DrillOutcome
from chaos.verdict import Exit

__all__ = ["Shrunk", "Undecided", "needed_faults", "shrink_drill"]

DECISIVE = frozenset({Exit.RECOVERED, Exit.NOT_RECOVERED, Exit.HARNESS_FAILED})


class Undecided(RuntimeError):
    """A trial says nothing about its faults, for example because the stack was not steady before."""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """`name` runs the smallest drill that still fails; None when the whole drill recovers. `trials` were run."""

    name: str | None
    trials: int


def shrink_drill(name: str, faults: int, run: Callable[[str], DrillOutcome]) -> Shrunk:
    """Run the sampled drill `name` of so many faults, and then smaller parts of it for as long as they fail.

    `run` runs a drill by its name on a stack that is steady again. A part whose faults no client noticed does not fail.
    Undecided when a trial ends otherwise than in recovery or without it.
    """
    trials = 0

    def fails(numbers: Sequence[int]) -> bool:
        nonlocal trials
        trials += 1
        whole = len(numbers) == faults
        outcome = run(name if whole else f"{name}:{'+'.join(map(str, numbers))}")
        if outcome.exit not in DECISIVE:
            raise Undecided(f"{outcome.name} ended with {outcome.exit.name}: {outcome.reason}")
        return outcome.exit is Exit.NOT_RECOVERED

    every = tuple(range(1, faults + 1))
    if not fails(every):
        return Shrunk(None, trials)
    needed = needed_faults(every, fails)
    return Shrunk(name if needed == every else f"{name}:{'+'.join(map(str, needed))}", trials)


def needed_faults(faults: tuple[int, ...], fails: Callable[[Sequence[int]], bool]) -> tuple[int, ...]:
    """A part of `faults` that fails, and of which no fault can be left out. `fails` holds for all of them."""
    needed = faults
    for fault in faults:
        smaller = tuple(each for each in needed if each != fault)
        if smaller and fails(smaller):
            needed = smaller
    return needed
