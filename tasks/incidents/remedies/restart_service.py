"""Restart service: the supervisor of `autopilot up` restarts a service that it does not see to be broken."""

from collections.abc import Mapping
from types import MappingProxyType

from healing.errors import StoreUnavailable
from healing.incident import AttemptOutcome, Cause, Remedy
from healing.verdict import Outcome, Verdict
from tasks.incidents.remedy_action import AUTHOR, RemedyAction, RemedyContext
from tasks.incidents.remedy_result import RemedyResult
from tasks.incidents.service_observation import observe_problem_gone
from tasks.runtime import crash_points
from tasks.runtime.restart_requests import RestartRequest, request_restart, supervisor_runs, was_honoured

SERVICES: Mapping[Cause, str] = MappingProxyType(
    {Cause.ORCHESTRATOR_UNAVAILABLE: "prefect", Cause.GATEWAY_DOWN: "gateway"}
)


class RestartServiceRemedy(RemedyAction):
    """Asks for the restart with a request file. It worked if the service answers, whoever restarted it."""

    remedy = Remedy.RESTART_SERVICE
    verify_seconds_max = 120.0  # Prefect's server starts in up to 16 s, on a busy machine in a minute

    def apply(self, context: RemedyContext) -> RemedyResult:
        home, service = context.settings.home, SERVICES[context.incident.cause]
        if not supervisor_runs(home):
            reason = f"no `autopilot up` runs on {home}, so nothing here can restart {service}"
            return RemedyResult(AttemptOutcome.FUTILE, reason)
        request = RestartRequest(id=context.idempotency_key, service=service, by=AUTHOR, reason=context.reason)
        try:
            is_new = request_restart(home, request)
        except OSError as exc:
            raise StoreUnavailable(f"the request to restart {service} could not be written: {exc}") from exc
        crash_points.reached("restart_service.requested", service=service)
        note = f"the supervisor is asked to restart {service}" if is_new else f"the supervisor restarted {service}"
        return RemedyResult(AttemptOutcome.SUCCEEDED, note)

    def observe(self, context: RemedyContext) -> Verdict:
        service = SERVICES[context.incident.cause]
        if not was_honoured(context.settings.home, service, context.idempotency_key):
            return Verdict("service", Outcome.INCONCLUSIVE, f"the supervisor has not restarted {service} yet", 0)
        return observe_problem_gone(context)


REMEDIES = (RestartServiceRemedy(),)
