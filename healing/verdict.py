"""Three-valued verdicts of checks: too little evidence is never a PASS."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """The conclusion of a check."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One check's conclusion with the numbers behind it.

    `statistic` and `threshold` are in the check's own unit (named in `reason`); `observations` counts what the
    check has observed. Both numbers are None when the check could not compute them.
    """

    check: str
    outcome: Outcome
    reason: str
    observations: int
    statistic: float | None = None
    threshold: float | None = None

    @property
    def failed(self) -> bool:
        return self.outcome is Outcome.FAIL

    @property
    def passed(self) -> bool:
        return self.outcome is Outcome.PASS
