"""Wait: some problems end without a remedy, such as a gateway that restarts or a disk that a person clears."""

from healing.detectors import FOUND_BY_INGESTION
from healing.errors import GatewayUnavailable
from healing.incident import AttemptOutcome, Cause, Remedy
from tasks.incidents.remedy_action import RemedyAction, RemedyContext
from tasks.incidents.remedy_result import RemedyResult
from tasks.serving.gateway_client import GatewayReport, await_gateway

WAIT_SECONDS_MAX = 10.0


class WaitRemedy(RemedyAction):
    """Waits until the gateway no longer reports the problem."""

    remedy = Remedy.WAIT

    def applies_to(self, cause: Cause) -> bool:
        return super().applies_to(cause) and cause not in FOUND_BY_INGESTION  # those ingest again

    def apply(self, context: RemedyContext) -> RemedyResult:
        if context.settings.addresses().operate is None:
            return RemedyResult(AttemptOutcome.FAILED, "no gateway is running that could recover")
        return RemedyResult(AttemptOutcome.SUCCEEDED, "nothing to apply")

    def verify(self, context: RemedyContext, applied: RemedyResult) -> RemedyResult:  # noqa: ARG002
        operate, incident = context.settings.addresses().require("operate"), context.incident

        def is_over(state: GatewayReport) -> bool:
            return not any((p.code, p.subject) == (incident.cause, incident.subject) for p in state.problems)

        try:
            await_gateway(operate, is_over, f"an end of {incident.cause}", WAIT_SECONDS_MAX)
        except GatewayUnavailable as exc:
            return RemedyResult(AttemptOutcome.FAILED, str(exc))
        return RemedyResult(AttemptOutcome.SUCCEEDED, "it ended without a remedy")


REMEDIES = (WaitRemedy(),)
