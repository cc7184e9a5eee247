"""How long each figure is measured for, in full and quick."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.serving.world import World

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLIENTS = 64


@dataclass(frozen=True, slots=True)
class Plan:
    point_seconds: float  # of load behind one figure
    rounds: int  # in which all servers are loaded in turn
    memory_requests: int
    memory_samples: int
    switches: int


FULL = Plan(point_seconds=8, rounds=5, memory_requests=1_000_000, memory_samples=10, switches=5)
QUICK = Plan(point_seconds=4, rounds=2, memory_requests=50_000, memory_samples=5, switches=2)


@dataclass(frozen=True)
class Bench:
    """What every measurement needs: the plan, the world, what its champion answers, and a folder to write into."""

    plan: Plan
    world: World
    expected: "NDArray[np.float64]"
    scratch: Path

    def folder(self, name: str) -> Path:
        """A new folder of this name."""
        folder = self.scratch / name
        folder.mkdir(parents=True)
        return folder
