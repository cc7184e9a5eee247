"""Restart worker: the gateway replaces the worker process of a model."""

from healing.incident import AttemptOutcome, Remedy
from healing.remedy import Role, role_of
from healing.verdict import Outcome, Verdict
from releases.log import ReleaseLog
from tasks.incidents.remedy_action import RemedyAction, RemedyContext
from tasks.incidents.remedy_result import RemedyResult
from tasks.incidents.service_observation import observe_champion, observe_release
from tasks.serving.gateway_client import read_gateway_once, restart_worker


class RestartRemedy(RemedyAction):
    """Restarts the worker. It worked if the model answers live requests again, not if its error counters are empty."""

    remedy = Remedy.RESTART_WORKER
    works_offline = True
    verify_seconds_max = 30.0

    def apply(self, context: RemedyContext) -> RemedyResult:
        restart_worker(context.settings.addresses().require("operate"), context.incident.subject)
        return RemedyResult(AttemptOutcome.SUCCEEDED, "the gateway restarts the worker")

    def observe(self, context: RemedyContext) -> Verdict:
        digest = context.incident.subject
        state = read_gateway_once(context.settings.addresses().require("operate"))
        if not any(worker.digest == digest and worker.state == "ready" for worker in state.workers):
            return Verdict("service", Outcome.INCONCLUSIVE, f"no ready worker of {digest[:12]} yet", 0)
        current = ReleaseLog(context.settings.release_root(context.incident.pipeline)).current()
        if role_of(current, digest) is Role.CHAMPION:
            return observe_champion(context)
        return observe_release(context)


REMEDIES = (RestartRemedy(),)
