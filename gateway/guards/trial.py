"""A challenger's trial as the gateway sees it: what each arm did, and the sequential test that may end it."""

from collections import deque
from dataclasses import dataclass, field
from statistics import median

from healing.release import Challenger, Release
from healing.sequential import RelativeErrorTest

_LATENCIES_KEPT = 512
_FAILED_KEYS_MAX = 10_000


@dataclass(slots=True)
class Arm:
    """What one arm of a trial did in this generation. Latencies in milliseconds, the latest few hundred."""

    requests: int = 0
    errors: int = 0
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES_KEPT))

    @property
    def latency_p50_ms(self) -> float | None:
        return median(self.latencies) if self.latencies else None


class Trial:
    """A challenger's trial, over all its stages: counts of the present generation, and evidence of the whole trial."""

    def __init__(self, challenger: Challenger, generation: int, alpha: float, ratio_tolerated: float) -> None:
        self.challenger = challenger
        self.generation = generation
        self.test = RelativeErrorTest(alpha=alpha, tolerated_ratio=ratio_tolerated)
        self.arms = {True: Arm(), False: Arm()}
        self.failed_keys: set[str] = set()

    def next_stage(self, release: Release) -> None:
        """Follow the challenger into a release where its share may differ."""
        assert release.challenger is not None
        self.challenger = release.challenger
        self.generation = release.generation
        self.arms = {True: Arm(), False: Arm()}
        self.test.restart()

    def observe(self, *, challenger: bool, failed: bool, route_key: str | None, latency_ms: float) -> bool:
        """Take one randomised request; returns whether this is the one that condemns the challenger.

        Only the first error of a route key counts as evidence: one client that retries is one observation.
        """
        arm = self.arms[challenger]
        arm.requests += 1
        arm.errors += failed
        arm.latencies.append(latency_ms)
        alarmed_before = self.test.alarmed
        news = not (failed and self._failed_before(route_key))
        self.test.observe(challenger=challenger, failed=failed and news, share=self.challenger.weight)
        return self.test.alarmed and not alarmed_before

    def evidence(self) -> str:
        """The numbers of this stage, in words."""
        challenger, champion = self.arms[True], self.arms[False]
        return (
            f"challenger failed {challenger.errors} of {challenger.requests}, champion {champion.errors} of "
            f"{champion.requests} requests at share {self.challenger.weight:g}; log e-value {self.test.log_e:.2f}, "
            f"threshold {self.test.threshold_log_e:.2f}"
        )

    def _failed_before(self, route_key: str | None) -> bool:
        if route_key is None:
            return False
        if route_key in self.failed_keys:
            return True
        if len(self.failed_keys) < _FAILED_KEYS_MAX:
            self.failed_keys.add(route_key)
        return False
