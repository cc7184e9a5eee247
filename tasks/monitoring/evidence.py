"""Evidence of the monitor for `heal`: verdicts in the ledger, and the incidents that the monitor opens."""

from datetime import UTC, date, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from healing.evidence import Evidence
from healing.incident import Cause, Incident
from healing.verdict import Verdict
from tasks.evaluation.labels import day_end, day_start
from tasks.ledger.records import CheckRecord
from tasks.ledger.store import Ledger
from tasks.monitoring.diagnosis import Conclusion
from tasks.monitoring.monitored_model import MonitoredModel, WindowVerdict
from tasks.monitoring.persistence import CoolDown
from tasks.monitoring.windows import DayRange
from tasks.runtime.events import EventName, emit, payload_of

OBSERVER = "monitor"
_EVENTS = {
    Cause.QUALITY_DROP: EventName.QUALITY_DROPPED,
    Cause.DATA_DRIFT: EventName.DRIFT_DETECTED,
    Cause.BAD_CANDIDATE: EventName.QUALITY_DROPPED,
    Cause.UNKNOWN: EventName.QUALITY_DROPPED,  # bad data that cost quality: only a person can decide what to do
}
_SUBJECT_TO_COOL_DOWN = frozenset(_EVENTS) - {Cause.BAD_CANDIDATE}  # a bad promotion is treated at once


def is_actionable(conclusion: Conclusion) -> bool:
    """Whether the diagnosis calls for an incident, outside of a cool-down."""
    return conclusion.cause in _SUBJECT_TO_COOL_DOWN


def cool_down_end(ledger_dsn: str, model: MonitoredModel) -> date | None:
    """The last day of the current cool-down; None outside of one.

    A cool-down follows the champion's acceptance, and the last incident about it that ended.
    """
    with Ledger(ledger_dsn) as ledger:
        incidents = ledger.incidents(model.champion.manifest.pipeline, causes=_SUBJECT_TO_COOL_DOWN)
    acted = [_last_day(incident) for incident in incidents if incident.ended and _is_about(incident, model)]
    last = CoolDown(model.rules.cooldown_days).ends(
        model.accepted_until, max((day for day in acted if day is not None), default=None)
    )
    return last if model.until <= last else None


def check_record(model: MonitoredModel, cause: Cause, verdict: Verdict, window: DayRange) -> CheckRecord:
    """The verdict as the ledger keeps it: the evidence with which `heal` confirms the cause."""
    zone = model.labels.zone
    return CheckRecord(
        pipeline=model.champion.manifest.pipeline,
        cause=cause,
        verdict=verdict,
        window_from=day_start(window.since, zone),
        window_until=day_end(window.until, zone),
        recorded_at=datetime.now(UTC),
    )


@task(cache_policy=NO_CACHE, persist_result=False)
def report_incident(ledger_dsn: str, model: MonitoredModel, quality: WindowVerdict, conclusion: Conclusion) -> Incident:
    """Open an incident for an actionable diagnosis, or join the open one. `quality` is the newest quality window."""
    with Ledger(ledger_dsn) as ledger:
        return open_incident(ledger, _evidence(model, quality, conclusion))


def open_incident(ledger: Ledger, evidence: Evidence) -> Incident:
    """Record the evidence, then emit its event. `heal` finds the evidence in the ledger even if the event is lost."""
    incident = ledger.record_evidence(evidence)
    emit(_EVENTS[evidence.cause], evidence.pipeline, {**payload_of(evidence), "incident_id": incident.id})
    return incident


def _is_about(incident: Incident, model: MonitoredModel) -> bool:
    return incident.cause in _SUBJECT_TO_COOL_DOWN and incident.subject == model.champion.manifest.version


def _last_day(incident: Incident) -> date | None:
    """The last day of the newest window that the incident's evidence names."""
    facts = [seen["facts"] for seen in incident.evidence]
    days = [fact["until"] for fact in facts if isinstance(fact, dict) and isinstance(fact.get("until"), str)]
    return max((date.fromisoformat(day) for day in days), default=None)


def _evidence(model: MonitoredModel, quality: WindowVerdict, conclusion: Conclusion) -> Evidence:
    """Evidence of an actionable diagnosis, with the numbers of the newest quality window."""
    cause, ground = conclusion.cause, conclusion.ground
    assert cause is not None
    assert ground is not None
    return Evidence(
        pipeline=model.champion.manifest.pipeline,
        cause=cause,
        subject=model.champion.manifest.version,
        observer=OBSERVER,
        observed_at=datetime.now(UTC),
        summary=f"{conclusion.diagnosis.replace('_', ' ')}: {ground.reason}",
        facts={
            "digest": model.champion.digest,
            "diagnosis": conclusion.diagnosis.value,
            "window_from": quality.window.since.isoformat(),
            "until": model.until.isoformat(),
            "increase": quality.verdict.statistic,
            "observations": quality.verdict.observations,
        },
    )
