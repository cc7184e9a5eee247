"""Approvals: a person decides whether an attempt may apply a remedy that policy does not allow by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from healing.incident import Remedy
from healing.limits import Limits
from healing.moment import Moment, elapsed_seconds
from healing.steps import AskApproval, Escalate, Step, Wait


class ApprovalOutcome(StrEnum):
    """A person's answer."""

    APPROVED = "approved"
    REFUSED = "refused"  # the remedy is futile for this incident


@dataclass(frozen=True, slots=True)
class Approval:
    """The question whether attempt `number` of an incident may apply `remedy`, and its answer once there is one.

    It holds for this attempt only: a further attempt of the same remedy needs an approval of its own.
    """

    number: int
    remedy: Remedy
    asked: Moment
    outcome: ApprovalOutcome | None = None
    decided_by: str = ""
    decided_at: datetime | None = None
    reason: str = ""


def approval_step(
    number: int, remedy: Remedy, approvals: Sequence[Approval], limits: Limits, now: Moment
) -> Step | None:
    """The step before attempt `number` may apply `remedy`; None once a person has approved it."""
    asked = next((each for each in approvals if (each.number, each.remedy) == (number, remedy)), None)
    if asked is None:
        return AskApproval(number, remedy)
    if asked.outcome is ApprovalOutcome.APPROVED:
        return None
    if elapsed_seconds(asked.asked, now) > limits.approval_seconds_max:
        return Escalate(f"{remedy} was not approved within {limits.approval_seconds_max:.0f} s")
    return Wait(f"{remedy} waits for its approval")


def refused_remedies(approvals: Sequence[Approval]) -> frozenset[Remedy]:
    """The remedies that a person refused for this incident."""
    return frozenset(each.remedy for each in approvals if each.outcome is ApprovalOutcome.REFUSED)
