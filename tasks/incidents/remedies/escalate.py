"""Escalate: notify people, because healing needs them."""

from datetime import UTC, datetime

from healing.incident import AttemptOutcome, Remedy
from tasks.incidents.remedy_action import RemedyAction, RemedyContext
from tasks.incidents.remedy_result import RemedyResult
from tasks.runtime.alerts import alert


class EscalateRemedy(RemedyAction):
    """Sends an alert to every configured address and to the alert file."""

    remedy = Remedy.ESCALATE

    def apply(self, context: RemedyContext) -> RemedyResult:
        settings = context.settings
        now = datetime.now(UTC)
        report = alert(context.incident, context.reason, now, file=settings.alerts_file, urls=settings.alert_urls)
        sent = f"alert delivered to {report.delivered} addresses, not to {report.undelivered}"
        return RemedyResult(AttemptOutcome.SUCCEEDED, f"{context.reason}; {sent}")


REMEDIES = (EscalateRemedy(),)
