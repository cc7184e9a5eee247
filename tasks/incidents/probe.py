"""What every probe of the healer implements: which problems it watches, and one bounded look at them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from healing.diagnosis import ProblemKey, ProblemSignal
from tasks.config.pipeline import Pipeline
from tasks.config.settings import Settings
from tasks.ledger.store import Ledger

LOOK_SECONDS_MAX = 2.0  # a look that takes longer counts as hung


@dataclass(frozen=True, slots=True)
class ProbeContext:
    """What a probe looks with. The ledger may be used by several threads."""

    settings: Settings
    pipeline: Pipeline
    ledger: Ledger


@dataclass(frozen=True, slots=True)
class Sighting:
    """Result of one look: the watched problems that are there now.

    Not `readable`: the look says nothing about any of them, for the reason given.
    """

    present: tuple[ProblemSignal, ...] = ()
    reason: str = ""
    readable: bool = True


class Probe(ABC):
    """One probe. `observe` runs in a thread of its own, so a look that hangs delays nothing else."""

    name: str
    every_seconds: float = 10.0
    needs_ledger: bool = False  # such a probe rests during an outage of the ledger
    looks_min: int = 1  # looks in a row that must show a problem before it counts

    @abstractmethod
    def watched(self, context: ProbeContext) -> frozenset[ProblemKey]:
        """The problems that this probe decides about. Makes no request and reads no file."""

    @abstractmethod
    def observe(self, context: ProbeContext) -> Sighting:
        """One look, at most LOOK_SECONDS_MAX long. An outage of what it reads with is not readable, never an error."""

    def hung(self, context: ProbeContext) -> Sighting:  # noqa: ARG002
        """What it means that a look has not ended within LOOK_SECONDS_MAX: nothing, unless a probe says otherwise."""
        return Sighting(reason=f"the probe has not ended within {LOOK_SECONDS_MAX:g} s", readable=False)
