"""When a failed check leads to action: once it persists, and outside of a cool-down."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from healing.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Persistence:
    """m-of-n persistence: a failure counts once `needed` of the last `among` windows fail, the newest included."""

    needed: int = 2
    among: int = 3

    def holds(self, verdicts: Sequence[Verdict]) -> bool:
        """Whether the failure persists in these verdicts (newest first)."""
        return persists([verdict.outcome for verdict in verdicts], self.needed, self.among)


def persists(outcomes: Sequence[Outcome], needed: int, among: int) -> bool:
    """Whether at least `needed` of the last `among` outcomes (newest first) are FAIL, the newest included.

    One bad window can be an unusual week. INCONCLUSIVE counts neither for nor against.
    """
    recent = outcomes[:among]
    return bool(recent) and recent[0] is Outcome.FAIL and sum(o is Outcome.FAIL for o in recent) >= needed


@dataclass(frozen=True, slots=True)
class CoolDown:
    """Days of event time without a further action: after a model was accepted, and after the last action."""

    days: int

    def ends(self, accepted_until: date, acted_until: date | None) -> date:
        """The last day of the cool-down.

        `accepted_until` is the last day on which the champion was compared, `acted_until` the last day of the window
        that led to the latest action.
        """
        return max(day for day in (accepted_until, acted_until) if day is not None) + timedelta(days=self.days)


def act_on(verdict: Verdict, acts: bool, why_not: str) -> Verdict:
    """The verdict as `heal` may use it: FAIL stays FAIL only if the diagnosis calls for action.

    Otherwise FAIL becomes INCONCLUSIVE with `why_not` before the reason: the failure does not persist, is seasonal, or
    falls into a cool-down. The numbers stay on record.
    """
    if not verdict.failed or acts:
        return verdict
    return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=f"{why_not}: {verdict.reason}")
