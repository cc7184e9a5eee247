"""Escalate: notify people, because healing needs them."""

from datetime import UTC, datetime

from healing.incident import AttemptOutcome, Remedy
from healing.verdict import Outcome, Verdict
from tasks.incidents.remedy_action import RemedyAction, RemedyContext
from tasks.incidents.remedy_result import RemedyResult
from tasks.runtime.alerts import alert


class EscalateRemedy(RemedyAction):
    """Sends an alert by the routes that policy names for the cause, and to the alert file."""

    remedy = Remedy.ESCALATE
    works_offline = True

    def apply(self, context: RemedyContext) -> RemedyResult:
        report = alert(context.settings, context.incident, context.reason, datetime.now(UTC), context.routing)
        return RemedyResult(AttemptOutcome.SUCCEEDED, f"{context.reason}; {report}")

    def observe(self, context: RemedyContext) -> Verdict:  # noqa: ARG002
        return Verdict("alert", Outcome.INCONCLUSIVE, "only a person can say what the alert led to", 0)


REMEDIES = (EscalateRemedy(),)
