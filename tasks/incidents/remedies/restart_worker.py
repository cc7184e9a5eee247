"""Restart worker: the gateway replaces the worker process of a model."""

from healing.errors import GatewayUnavailable
from healing.incident import AttemptOutcome, Remedy
from tasks.incidents.remedy_action import RemedyAction, RemedyContext
from tasks.incidents.remedy_result import RemedyResult
from tasks.serving.gateway_client import GatewayReport, await_gateway, restart_worker

RESTART_SECONDS_MAX = 15.0  # a worker starts from a warm process, loads the model, and answers its golden rows


class RestartRemedy(RemedyAction):
    """Restarts the worker, and waits until it is ready and its problem is gone."""

    remedy = Remedy.RESTART_WORKER

    def apply(self, context: RemedyContext) -> RemedyResult:
        restart_worker(context.settings.addresses().require("operate"), context.incident.subject)
        return RemedyResult(AttemptOutcome.SUCCEEDED, "the gateway restarts the worker")

    def verify(self, context: RemedyContext, applied: RemedyResult) -> RemedyResult:  # noqa: ARG002
        operate, digest = context.settings.addresses().require("operate"), context.incident.subject

        def is_healthy(state: GatewayReport) -> bool:
            ready = any(worker.digest == digest and worker.state == "ready" for worker in state.workers)
            return ready and not state.problems_of(digest)

        try:
            await_gateway(operate, is_healthy, f"a ready worker of {digest[:12]}", RESTART_SECONDS_MAX)
        except GatewayUnavailable as exc:
            return RemedyResult(AttemptOutcome.FAILED, str(exc))
        return RemedyResult(AttemptOutcome.SUCCEEDED, "the new worker is ready and its problem is gone")


REMEDIES = (RestartRemedy(),)
