"""Rollback: take a broken model out of service, in the way that its role asks for."""

from healing.incident import AttemptOutcome, Remedy
from healing.release import Release
from healing.remedy import Role, role_of
from healing.verdict import Outcome, Verdict
from releases.log import ReleaseLog
from tasks.incidents.release_change import abort_challenger
from tasks.incidents.remedy_action import AUTHOR, RemedyAction, RemedyContext
from tasks.incidents.remedy_result import RemedyResult
from tasks.incidents.service_observation import observe_champion
from tasks.rollout.release_changes import drop_fallback, signing_of
from tasks.rollout.release_events import announce_release
from tasks.rollout.rollback import NothingToRollBackTo, RollbackOrder, serve_earlier_model


class RollbackRemedy(RemedyAction):
    """Rolls a champion back, aborts the trial of a challenger, removes a fallback."""

    remedy = Remedy.ROLLBACK
    works_offline = True

    def apply(self, context: RemedyContext) -> RemedyResult:
        incident = context.incident
        current = ReleaseLog(context.settings.release_root(incident.pipeline)).current()
        match role_of(current, incident.subject):
            case Role.CHAMPION:
                return _roll_back(context)
            case Role.CHALLENGER:
                return abort_challenger(context)
            case Role.FALLBACK:
                return _drop_fallback(context)
            case Role.ABSENT:
                return _absent(context, current)

    def observe(self, context: RemedyContext) -> Verdict:
        return observe_champion(context)


def _absent(context: RemedyContext, current: Release | None) -> RemedyResult:
    """The model serves no more: by this incident's own release, or without any work of this remedy."""
    incident = context.incident
    if current is not None and current.incident_id == incident.id:
        return RemedyResult(AttemptOutcome.SUCCEEDED, f"{incident.subject[:12]} is out of service", release=current)
    return RemedyResult(
        AttemptOutcome.FUTILE, f"{incident.subject[:12]} is out of service already: nothing to roll back"
    )


def _roll_back(context: RemedyContext) -> RemedyResult:
    incident = context.incident
    order = RollbackOrder(
        pipeline=incident.pipeline,
        author=AUTHOR,
        away_from=incident.subject,
        reason=context.reason,
        incident_id=incident.id,
    )
    try:
        release, rollback = serve_earlier_model(context.settings, order)
    except NothingToRollBackTo as exc:
        return RemedyResult(AttemptOutcome.FUTILE, str(exc))
    if rollback.verified is Outcome.FAIL:
        return RemedyResult(AttemptOutcome.FAILED, rollback.note, release=release)
    note = f"champion {rollback.version}; {rollback.note}"
    return RemedyResult(AttemptOutcome.SUCCEEDED, note, release=release)


def _drop_fallback(context: RemedyContext) -> RemedyResult:
    incident, settings = context.incident, context.settings
    written = drop_fallback(
        settings.release_root(incident.pipeline),
        incident.subject,
        author=AUTHOR,
        incident_id=incident.id,
        signing=signing_of(settings),
    )
    if written is not None:
        announce_release(settings.ledger_dsn, written)
    return RemedyResult(AttemptOutcome.SUCCEEDED, f"without fallback {incident.subject[:12]}", release=written)


REMEDIES = (RollbackRemedy(),)
