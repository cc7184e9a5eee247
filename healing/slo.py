"""Service level objectives: the share of requests that must be answered, and by the champion."""

from dataclasses import dataclass

from healing.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class AnswerCounts:
    """Requests so far, by how they were answered. `degraded`: a fallback or the baseline answered."""

    good: int = 0
    degraded: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        return self.good + self.degraded + self.failed

    def since(self, earlier: "AnswerCounts") -> "AnswerCounts":
        """The counts since `earlier`; all of them when a restart reset the counters."""
        if self.total < earlier.total or self.good < earlier.good or self.failed < earlier.failed:
            return self
        return AnswerCounts(
            self.good - earlier.good, max(0, self.degraded - earlier.degraded), self.failed - earlier.failed
        )


@dataclass(frozen=True, slots=True)
class Objective:
    """The share of requests that must be answered at all, and the share that the champion itself must answer."""

    answered_min: float = 0.999
    undegraded_min: float = 0.0  # a fallback counts as service
    requests_min: int = 1


MITIGATED = Objective()


def judge_served(served: AnswerCounts, objective: Objective) -> Verdict:
    """PASS when both shares are reached, FAIL when one is missed, INCONCLUSIVE on fewer requests than asked for."""
    if served.total < max(1, objective.requests_min):
        return Verdict("slo", Outcome.INCONCLUSIVE, f"{served.total} requests seen", served.total)
    answered = (served.good + served.degraded) / served.total
    undegraded = served.good / served.total
    held = answered >= objective.answered_min and undegraded >= objective.undegraded_min
    return Verdict(
        check="slo",
        outcome=Outcome.PASS if held else Outcome.FAIL,
        reason=f"share answered; {undegraded:.4f} of {served.total} by the champion",
        observations=served.total,
        statistic=answered,
        threshold=objective.answered_min,
    )
