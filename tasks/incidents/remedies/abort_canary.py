"""Abort canary: a challenger's trial ends without promotion, and the challenger is fenced."""

from healing.incident import AttemptOutcome, Remedy
from healing.remedy import Role, role_of
from healing.verdict import Verdict
from releases.log import ReleaseLog
from tasks.incidents.release_change import abort_challenger
from tasks.incidents.remedy_action import RemedyAction, RemedyContext
from tasks.incidents.remedy_result import RemedyResult
from tasks.incidents.service_observation import observe_release


class AbortRemedy(RemedyAction):
    """Aborts the trial of the incident's model. Futile once the model is champion."""

    remedy = Remedy.ABORT_CANARY
    works_offline = True

    def apply(self, context: RemedyContext) -> RemedyResult:
        digest = context.incident.subject
        current = ReleaseLog(context.settings.release_root(context.incident.pipeline)).current()
        if role_of(current, digest) is Role.CHAMPION:
            return RemedyResult(AttemptOutcome.FUTILE, f"the trial of {digest[:12]} is over: it is champion")
        return abort_challenger(context)

    def observe(self, context: RemedyContext) -> Verdict:
        return observe_release(context)


REMEDIES = (AbortRemedy(),)
