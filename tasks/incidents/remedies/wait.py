"""Wait: some problems end without a remedy, such as a gateway that restarts or a disk that a person clears."""

from healing.detectors import FOUND_BY_INGESTION
from healing.incident import AttemptOutcome, Cause, Remedy
from healing.verdict import Verdict
from tasks.incidents.remedy_action import RemedyAction, RemedyContext
from tasks.incidents.remedy_result import RemedyResult
from tasks.incidents.service_observation import observe_problem_gone

WAIT_SECONDS_MAX = 30.0  # a probe looks every 10 s; a gateway that hangs is restarted after 25 s


class WaitRemedy(RemedyAction):
    """Waits until the gateway, or a probe, no longer finds the problem."""

    remedy = Remedy.WAIT
    works_offline = True
    verify_seconds_max = WAIT_SECONDS_MAX

    def applies_to(self, cause: Cause) -> bool:
        return super().applies_to(cause) and cause not in FOUND_BY_INGESTION  # those ingest again

    def apply(self, context: RemedyContext) -> RemedyResult:
        is_probed = (context.incident.cause, context.incident.subject) in context.probed
        if not is_probed and context.settings.addresses().operate is None:
            return RemedyResult(AttemptOutcome.FAILED, "no gateway is running that could recover")
        return RemedyResult(AttemptOutcome.SUCCEEDED, "nothing to apply")

    def observe(self, context: RemedyContext) -> Verdict:
        return observe_problem_gone(context)


REMEDIES = (WaitRemedy(),)
