"""Monitoring: does the champion still answer well, and do its inputs look like what it learned from?

Every check speaks for itself, PASS, FAIL or INCONCLUSIVE with its numbers; one pure function makes a diagnosis of them.
Labels outrank drift: a shift that costs no quality is recorded as seasonal, a loss of quality that persists is handed
to `heal` as evidence. Nothing here changes what serves.
"""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import structlog
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from healing.errors import GatewayUnavailable
from healing.evidence import Evidence
from healing.incident import Cause, Incident
from healing.persistence import CoolDown, Persistence, act_on
from healing.window_diagnosis import Conclusion, diagnose
from releases.log import ReleaseLog
from releases.signing import ensure_keys
from tasks.config.pipeline import Pipeline, load_pipeline
from tasks.config.settings import Settings, load_settings
from tasks.evaluation.labels import day_end, day_start, label_source
from tasks.ledger.records import CheckRecord
from tasks.ledger.store import Ledger
from tasks.monitoring.checks.drift import write_report
from tasks.monitoring.checks.promotion import promotion_of
from tasks.monitoring.history import record_history
from tasks.monitoring.monitored_model import Judged, Subject
from tasks.monitoring.post_promotion import watch_promotion
from tasks.monitoring.report import MonitorReport, show, views
from tasks.monitoring.reports import prune_reports
from tasks.monitoring.run_checks import Findings, look_at_data, look_at_drift, look_at_quality, look_at_serving
from tasks.monitoring.windows import answered_rows
from tasks.rollout.champion import learned_until, require_champion
from tasks.runtime.events import EventName, emit, payload_of
from tasks.serving.prediction_log import drain_predictions
from tasks.training.plan import feature_days

log = structlog.get_logger(__name__)

OBSERVER = "monitor"
_task = task(cache_policy=NO_CACHE, persist_result=False)
_EVENTS = {
    Cause.QUALITY_DROP: EventName.QUALITY_DROPPED,
    Cause.DATA_DRIFT: EventName.DRIFT_DETECTED,
    Cause.UNKNOWN: EventName.QUALITY_DROPPED,  # of a model that met bad data: only a person can tell what to do
}


@flow(name="monitor", flow_run_name="monitor-{pipeline}", persist_result=False)
def monitor(pipeline: str, until: date | None = None) -> MonitorReport:
    """Judge the champion on the windows that end with day `until` (the last day with features).

    Needs no gateway and no traffic: what was not answered live is answered here, and the verdict says so. UsageError
    before the first release, StoreUnavailable before the first ingested day.
    """
    settings = load_settings()
    config = load_pipeline(pipeline, settings.pipelines_dir)
    drained = drain(settings.addresses().operate, settings.lake_root(pipeline))
    subject = _subject(settings, config, until)
    found = look(settings, config, subject)
    watched = watch_promotion(settings, config, subject)  # hands a bad promotion over by itself, and at once
    promotion = () if watched is None else (Judged(watched.window, watched.verdict),)
    checks = found.checks(promotion, new_champion=_is_new(settings, config, subject))
    conclusion = diagnose(checks, Persistence(config.monitor.persistence_failed, config.monitor.persistence_windows))
    cooling_until = _cooling_until(settings, config, subject)
    acts = conclusion.cause in _EVENTS and cooling_until is None
    record(settings, subject, (*found.newest, *promotion), conclusion, acts=acts)
    report = _report(config, subject, found, promotion, conclusion, drained, cooling_until)
    if any(judged.verdict.failed for judged in found.distributions):
        file = explain(subject, settings.reports_dir / pipeline)
        report = report.model_copy(update={"report": str(file)})
    if acts:
        incident = hand_over(settings.ledger_dsn, pipeline, subject, found.quality[0], conclusion)
        report = report.model_copy(update={"incident_id": incident.id})
    show(report)
    return report


@_task
def drain(operate_url: str | None, lake_root: Path) -> int:
    """Rows brought in from the gateway's log; a gateway that is away costs nothing but the rows' freshness."""
    if operate_url is None:
        return 0
    try:
        return drain_predictions(operate_url, lake_root).rows
    except GatewayUnavailable as exc:
        log.warning("predictions_not_drained", cause=str(exc))
        return 0


@_task
def look(settings: Settings, config: Pipeline, subject: Subject) -> Findings:
    """Every check, apart from each other. Without mature labels also earlier windows, to see what persists."""
    quality = look_at_quality(subject)
    labelled = quality[0].verdict.statistic is not None
    with Ledger(settings.ledger_dsn) as ledger:
        batches = ledger.batches(config.name)
    return Findings(
        quality=quality,
        drift=look_at_drift(subject, 1 if labelled else subject.rules.persistence_windows),
        data=look_at_data(subject, batches, config.contract.max_bad_share),
        serving=look_at_serving(
            settings.lake_root(config.name), settings.release_root(config.name), config, datetime.now(UTC)
        ),
    )


@_task
def record(
    settings: Settings, subject: Subject, newest: tuple[Judged, ...], conclusion: Conclusion, *, acts: bool
) -> None:
    """Keep the raw verdicts in the lake, and in the ledger those that `heal` may act on."""
    now, digest, version = datetime.now(UTC), subject.model.digest, subject.model.manifest.version
    raw = [(judged.window, judged.verdict) for judged in newest]
    record_history(subject.labels.lake_root, digest, version, subject.until, raw, conclusion.diagnosis.value, now)
    zone = subject.labels.zone
    with Ledger(settings.ledger_dsn) as ledger:
        for judged in newest:
            cause = _HEALED.get(judged.verdict.check)
            if cause is None:
                continue
            calls = acts and conclusion.cause is cause
            ledger.record_check(
                CheckRecord(
                    pipeline=subject.model.manifest.pipeline,
                    cause=cause,
                    verdict=act_on(judged.verdict, calls, f"not acted on, diagnosis {conclusion.diagnosis}"),
                    window_from=day_start(judged.window.since, zone),
                    window_until=day_end(judged.window.until, zone),
                    recorded_at=now,
                )
            )


_HEALED = {"quality": Cause.QUALITY_DROP, "features": Cause.DATA_DRIFT, "predictions": Cause.DATA_DRIFT}


@_task
def explain(subject: Subject, reports_dir: Path) -> Path:
    """Evidently's report of the newest window, for whoever looks; older reports go as policy says."""
    path = reports_dir / f"drift-{subject.model.manifest.version}-{subject.until}.html"
    if not path.exists():
        window = subject.windows(subject.rules.window_days, 1)[0]
        rows = answered_rows(subject.labels.lake_root, subject.labels.key, window, subject.model)
        write_report(rows, subject.reference, subject.kinds, path)
    prune_reports(reports_dir, subject.rules.reports_kept, timedelta(days=subject.rules.reports_days), path)
    return path


@_task
def hand_over(ledger_dsn: str, pipeline: str, subject: Subject, quality: Judged, conclusion: Conclusion) -> Incident:
    """Write the evidence down, then tell: `heal` finds it in the ledger even if nobody hears the event."""
    cause, ground = conclusion.cause, conclusion.ground
    assert cause is not None
    assert ground is not None
    evidence = Evidence(
        pipeline=pipeline,
        cause=cause,
        subject=subject.model.manifest.version,
        observer=OBSERVER,
        observed_at=datetime.now(UTC),
        summary=f"{conclusion.diagnosis.replace('_', ' ')}: {ground.reason}",
        facts={
            "digest": subject.model.digest,
            "diagnosis": conclusion.diagnosis.value,
            "window_from": quality.window.since.isoformat(),
            "until": subject.until.isoformat(),
            "increase": quality.verdict.statistic,
            "observations": quality.verdict.observations,
        },
    )
    with Ledger(ledger_dsn) as ledger:
        incident = ledger.record_evidence(evidence)
    emit(_EVENTS[cause], pipeline, {**payload_of(evidence), "incident_id": incident.id})
    return incident


def _subject(settings: Settings, config: Pipeline, until: date | None) -> Subject:
    lake_root = settings.lake_root(config.name)
    model = require_champion(config.name, settings.release_root(config.name), ensure_keys(settings.keys_dir).public)
    return Subject(
        model=model,
        labels=label_source(config, lake_root),
        until=until or feature_days(lake_root, config.key)[1],
        accepted_until=learned_until(model) + timedelta(days=config.retrain.holdout_days),
        rules=config.monitor,
    )


def _is_new(settings: Settings, config: Pipeline, subject: Subject) -> bool:
    """Whether the champion was promoted over another, and every window looked at is one of its first."""
    looked_at = subject.rules.persistence_windows
    if len(subject.windows(subject.rules.window_days, looked_at + 1)) > looked_at:
        return False
    return promotion_of(ReleaseLog(settings.release_root(config.name)).history()) is not None


def _cooling_until(settings: Settings, config: Pipeline, subject: Subject) -> date | None:
    """The last day of a cool-down that is on: the champion is fresh, or its last trouble has just been dealt with."""
    with Ledger(settings.ledger_dsn) as ledger:
        dealt_with = [_acted_until(i) for i in ledger.incidents(config.name) if i.ended and _is_about(i, subject)]
    last = CoolDown(config.monitor.cooldown_days).ends(
        subject.accepted_until, max((d for d in dealt_with if d), default=None)
    )
    return last if subject.until <= last else None


def _is_about(incident: Incident, subject: Subject) -> bool:
    return incident.cause in _EVENTS and incident.subject == subject.model.manifest.version


def _acted_until(incident: Incident) -> date | None:
    """The last day of the newest window that the incident's evidence is about, where it names one."""
    facts = [seen["facts"] for seen in incident.evidence]
    days = [fact["until"] for fact in facts if isinstance(fact, dict) and isinstance(fact.get("until"), str)]
    return max((date.fromisoformat(day) for day in days), default=None)


def _report(
    config: Pipeline,
    subject: Subject,
    found: Findings,
    promotion: tuple[Judged, ...],
    conclusion: Conclusion,
    drained: int,
    cooling_until: date | None,
) -> MonitorReport:
    newest = found.quality[0]
    return MonitorReport(
        pipeline=config.name,
        until=subject.until,
        version=subject.model.manifest.version,
        digest=subject.model.digest,
        diagnosis=conclusion.diagnosis,
        because=None if conclusion.ground is None else f"{conclusion.ground.check}: {conclusion.ground.reason}",
        checks=views((*found.everything, *promotion)),
        drained=drained,
        logged_share=newest.logged_share,
        label_coverage=None if newest.delay is None else newest.delay.coverage,
        label_hours=None if newest.delay is None else newest.delay.median_hours,
        cooling_until=cooling_until,
    )
