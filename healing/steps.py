"""The steps of an incident, one class per kind: `healing.plan` chooses one, an executor carries it out."""

from dataclasses import dataclass

from healing.incident import AttemptOutcome, Remedy


@dataclass(frozen=True, slots=True)
class Confirm:
    """Record that the problem is confirmed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Dismiss:
    """Close the incident: the problem was never there."""

    reason: str


@dataclass(frozen=True, slots=True)
class Recover:
    """Close the incident: the problem is gone and stayed gone."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing now. `is_short` says that a few seconds are enough to decide more."""

    reason: str
    is_short: bool = False


@dataclass(frozen=True, slots=True)
class AskApproval:
    """Ask a person whether attempt `number` may apply this remedy, once. The incident waits for the answer."""

    number: int
    remedy: Remedy


@dataclass(frozen=True, slots=True)
class Start:
    """Record an attempt of this remedy, then apply the remedy."""

    remedy: Remedy


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on with an attempt whose carrier is lost: read what it did, and finish or repeat it."""

    number: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the run that carries an attempt, because it takes too long; the attempt then has a lost carrier."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Verify:
    """Observe the service once more."""

    number: int


@dataclass(frozen=True, slots=True)
class Finish:
    """Record the end of an attempt."""

    number: int
    outcome: AttemptOutcome
    reason: str


@dataclass(frozen=True, slots=True)
class Escalate:
    """Notify a person: no allowed remedy is left, or policy asks for a person."""

    reason: str


@dataclass(frozen=True, slots=True)
class Remind:
    """Notify a person again of an escalated incident that is still there."""

    reason: str


Step = Confirm | Dismiss | Recover | Wait | AskApproval | Start | Resume | Cancel | Verify | Finish | Escalate | Remind
