"""Restart worker: the gateway replaces the worker processes of a model."""

from collections.abc import Sequence

from healing.incident import AttemptOutcome, Cause, Remedy
from healing.moment import elapsed_seconds
from healing.remedy import Role, role_of
from healing.verdict import Outcome, Verdict
from releases.log import ReleaseLog
from tasks.incidents.remedy_action import RemedyAction, RemedyContext
from tasks.incidents.remedy_result import RemedyResult
from tasks.incidents.service_observation import observe_champion, observe_release
from tasks.runtime.clock import current_moment
from tasks.serving.gateway_client import GatewayReport, read_gateway_once, restart_worker

# A worker that is still starting says nothing about its model, and a busy machine takes long to start one. Giving up
# too early would let the next remedy roll back, and fence, a sound model. Meanwhile the fallbacks answer.
VERIFY_SECONDS_MAX = 120.0
REPORT_SECONDS_MAX = 3.0  # the gateway compares the times of batches every second


class RestartRemedy(RemedyAction):
    """Restarts all workers of the model. It worked if the model answers live requests again, not if its error counters
    are empty."""

    remedy = Remedy.RESTART_WORKER
    works_offline = True
    verify_seconds_max = VERIFY_SECONDS_MAX

    def apply(self, context: RemedyContext) -> RemedyResult:
        if _role(context) is Role.ABSENT:
            return RemedyResult(AttemptOutcome.FUTILE, f"{context.incident.subject[:12]} serves no more")
        operate = context.settings.addresses().require("operate")
        workers = read_gateway_once(operate).workers
        if any(worker.keeps_growing for worker in workers if worker.digest == context.incident.subject):
            note = "each new worker grows beyond its memory limit: the gateway has restarted it already"
            return RemedyResult(AttemptOutcome.FUTILE, note)
        restart_worker(operate, context.incident.subject)
        return RemedyResult(AttemptOutcome.SUCCEEDED, "the gateway restarts the workers")

    def observe(self, context: RemedyContext) -> Verdict:
        digest, role = context.incident.subject, _role(context)
        if role is Role.ABSENT:
            return Verdict("service", Outcome.FAIL, f"{digest[:12]} has left service", 1)
        state = read_gateway_once(context.settings.addresses().require("operate"))
        restart = _judge_workers(digest, [worker.state for worker in state.workers if worker.digest == digest])
        if restart.outcome is not Outcome.PASS:
            return restart
        if context.incident.cause is Cause.MODEL_SLOW and _is_reported(context, state):
            return _judge_slow(context)
        return observe_champion(context) if role is Role.CHAMPION else observe_release(context)


def _judge_workers(digest: str, phases: Sequence[str]) -> Verdict:
    """Whether all workers of the model are back. One that was set aside beside a ready one is reported by the gateway
    itself, and says nothing against the model, which answers."""
    ready, aside = phases.count("ready"), phases.count("set_aside")
    name = f"{ready} of {len(phases)} workers of {digest[:12]} are ready"
    if phases and aside == len(phases):
        return Verdict("service", Outcome.FAIL, f"{name}: {aside} died again and are set aside", 1)
    if ready + aside < len(phases) or not ready:
        return Verdict("service", Outcome.INCONCLUSIVE, name, 0)
    return Verdict("service", Outcome.PASS, name, ready)


def _is_reported(context: RemedyContext, state: GatewayReport) -> bool:
    incident = context.incident
    return (incident.cause, incident.subject) in {(problem.code, problem.subject) for problem in state.problems}


def _judge_slow(context: RemedyContext) -> Verdict:
    """The verdict while the gateway reports the model as slow; its first report may be about the process before."""
    applied = context.attempt.applied
    if applied is None or elapsed_seconds(applied, current_moment()) < REPORT_SECONDS_MAX:
        return Verdict("service", Outcome.INCONCLUSIVE, "no report about the new worker yet", 0)
    return Verdict("service", Outcome.FAIL, f"the new worker of {context.incident.subject[:12]} is slow as well", 1)


def _role(context: RemedyContext) -> Role | None:
    """The role of the incident's model in the newest release; None without a release, which says nothing about it."""
    incident = context.incident
    current = ReleaseLog(context.settings.release_root(incident.pipeline)).current()
    return None if current is None else role_of(current, incident.subject)


REMEDIES = (RestartRemedy(),)
