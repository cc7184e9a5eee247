"""Samples of the gateway's processes at rest, and how fast memory, descriptors, threads and processes grow."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import psutil

_CONFIDENCE = 0.95
_SAMPLES_MIN = 3  # below, a slope has no interval


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """One look at the router, and at all its processes together. `hours` are those since the first sample."""

    hours: float
    router_mib: float
    router_descriptors: int
    router_threads: int
    processes: int
    tree_mib: float
    tree_descriptors: int

    @classmethod
    def of(cls, tree: Sequence[psutil.Process], began: float) -> Self:
        """A sample of the router, which is the first process of `tree`, and of its children."""
        router, *_ = tree
        alive = [process for process in tree if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
        return cls(
            hours=(time.monotonic() - began) / 3600,
            router_mib=_mib(router),
            router_descriptors=router.num_fds(),
            router_threads=router.num_threads(),
            processes=len(alive),
            tree_mib=sum(map(_mib, alive)),
            tree_descriptors=sum(process.num_fds() for process in alive),
        )


@dataclass(frozen=True, slots=True)
class Growth:
    """Growth per hour: the median of all slopes between two samples, with its interval of 95 %."""

    per_hour: float
    least: float
    most: float


def growth_of(samples: Sequence[ProcessSample], figure: Callable[[ProcessSample], float]) -> Growth | None:
    """Theil and Sen's estimate, which a few odd samples do not move; None for fewer than three samples."""
    from scipy.stats import theilslopes

    if len(samples) < _SAMPLES_MIN:
        return None
    slope, _, least, most = theilslopes(
        [figure(sample) for sample in samples], [sample.hours for sample in samples], _CONFIDENCE
    )
    return Growth(float(slope), float(least), float(most))


def _mib(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 2**20
