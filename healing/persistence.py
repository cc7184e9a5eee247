"""When a failed check counts: once it persists, and not while what was done about the last one still settles."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from healing.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Persistence:
    """A failure counts once `needed` of the last `among` windows show it."""

    needed: int = 2
    among: int = 3

    def holds(self, verdicts: Sequence[Verdict]) -> bool:
        """Whether these verdicts (newest first) show it."""
        return persists([verdict.outcome for verdict in verdicts], self.needed, self.among)


def persists(outcomes: Sequence[Outcome], needed: int, among: int) -> bool:
    """Whether at least `needed` of the last `among` outcomes (newest first) are FAIL, the newest included.

    One bad window is weather; an INCONCLUSIVE one counts for neither side.
    """
    recent = outcomes[:among]
    return bool(recent) and recent[0] is Outcome.FAIL and sum(o is Outcome.FAIL for o in recent) >= needed


@dataclass(frozen=True, slots=True)
class CoolDown:
    """Days of event time in which nothing is done again: after a model was accepted, and after the last action."""

    days: int

    def ends(self, accepted_until: date, acted_until: date | None) -> date:
        """The last day of the cool-down.

        `accepted_until` is the last day that the champion was compared on, `acted_until` the last day of the window
        that led to the latest action about it.
        """
        return max(day for day in (accepted_until, acted_until) if day is not None) + timedelta(days=self.days)


def act_on(verdict: Verdict, calls: bool, why_not: str) -> Verdict:
    """The verdict as `heal` may believe it: a FAIL only where the diagnosis calls for action.

    A failure that does not persist, is seasonal, or falls into a cool-down is INCONCLUSIVE, with `why_not` before its
    reason: the numbers stay on record and nothing is done.
    """
    if not verdict.failed or calls:
        return verdict
    return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=f"{why_not}: {verdict.reason}")
