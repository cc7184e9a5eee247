"""Retraining as a remedy: started where there is something new to learn, judged by what serves when it has ended."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import pairwise

from flows.applied import Applied, dispatched
from healing.incident import AttemptOutcome, Incident
from healing.release import Reason, Release
from releases.log import ReleaseLog
from tasks.config.settings import Settings
from tasks.ledger.records import JournalEntry
from tasks.ledger.store import Ledger

_CHAMPION_CHANGED = frozenset({Reason.PROMOTE, Reason.RETURN, Reason.ROLLBACK})


def retrain(settings: Settings, incident: Incident, attempt: int) -> Applied:
    """Replace the model by one trained on newer data: as a run of its own, or here and now."""
    learned = learned_in_vain(settings, incident.pipeline)
    if learned is not None:
        reason = f"what there was to learn until {learned} came to nothing, and the lake has no later day since"
        return Applied(AttemptOutcome.FUTILE, reason)
    parameters = {"pipeline": incident.pipeline, "incident_id": incident.id}
    if settings.dispatch == "deployment":
        return dispatched("retrain/retrain", parameters, incident, attempt)
    from flows.retrain import retrain as run_here

    began = datetime.now(UTC)
    run_here(incident.pipeline, incident_id=incident.id)
    return judge_retrain(settings, incident, began)


def learned_in_vain(settings: Settings, pipeline: str) -> date | None:
    """Up to which day the last candidate learned that came to nothing, while the lake has no later day to learn from.

    None once the champion changed after it: against another champion it may win.
    """
    history = ReleaseLog(settings.release_root(pipeline)).history()
    changes = [after for before, after in pairwise(history) if after.champion != before.champion]
    with Ledger(settings.ledger_dsn) as ledger:
        reports = ledger.entries(pipeline, "retrain.finished")
        newest = max(ledger.features(pipeline), default=None)
    in_vain = next((report for report in reports if came_to_nothing(report, history)), None)
    if in_vain is None or newest is None or (changes and changes[-1].created_at > in_vain.at):
        return None
    until = in_vain.detail.get("until")
    learned = None if until is None else date.fromisoformat(str(until))
    return None if learned is None or newest > learned else learned


def judge_retrain(settings: Settings, incident: Incident, began: datetime) -> Applied:
    """Whether a new champion came since `began` and stayed: only that ends drift and loss of quality.

    The log is asked before the report: a run may have been killed between its promotion and its last word.
    """
    history = ReleaseLog(settings.release_root(incident.pipeline)).history()
    changes = [r for r in history if r.created_at >= began and r.reason in _CHAMPION_CHANGED]
    if changes and changes[-1].reason is not Reason.ROLLBACK:
        return Applied(AttemptOutcome.SUCCEEDED, f"champion {changes[-1].champion.version}", release=changes[-1])
    if changes:
        return Applied(AttemptOutcome.FAILED, f"its champion was left again: {changes[-1].note}", release=changes[-1])
    report = retrain_report(settings, incident, began)
    if report is None:
        return Applied(AttemptOutcome.FAILED, "no new champion: the retrain ended without a report")
    ended = f"no new champion: the retrain on what there was to learn until {report.detail.get('until')} ended "
    outcome = AttemptOutcome.FUTILE if came_to_nothing(report, history) else AttemptOutcome.FAILED
    return Applied(outcome, f"{ended}{report.detail.get('result')}")


def came_to_nothing(report: JournalEntry, history: Sequence[Release]) -> bool:
    """Whether its candidate was no better, or is fenced: the same days would teach the next one the same."""
    digest = str(report.detail.get("digest"))
    fenced = bool(history) and history[-1].fence_of(digest) is not None
    return fenced or report.detail.get("result") == "not_better"


def retrain_report(settings: Settings, incident: Incident, began: datetime) -> JournalEntry | None:
    """What the retrain for this incident wrote at its end, if it came so far."""
    with Ledger(settings.ledger_dsn) as ledger:
        reports = ledger.entries(incident.pipeline, "retrain.finished")
    return next((r for r in reports if r.at >= began and r.detail.get("incident_id") == incident.id), None)


def is_on_trial(settings: Settings, incident: Incident) -> bool:
    """Whether a candidate for this incident is on trial now, whoever controls it."""
    current = ReleaseLog(settings.release_root(incident.pipeline)).current()
    return current is not None and current.challenger is not None and current.incident_id == incident.id
