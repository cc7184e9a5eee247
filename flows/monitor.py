"""Monitoring: does the champion still answer well, and do its inputs look like what it learned from?

Labels outrank drift: a shift that costs no quality is recorded as seasonal, a loss of quality that persists is handed
to `heal` as evidence. Nothing here changes what serves.
"""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import structlog
from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, ConfigDict

from healing.errors import GatewayUnavailable
from healing.evidence import Evidence
from healing.incident import Cause, Incident
from healing.persistence import CoolDown, Persistence, act_on
from healing.verdict import Outcome, Verdict
from healing.window_diagnosis import Checks, Conclusion, Diagnosis, diagnose
from releases.signing import ensure_keys
from tasks.config.pipeline import Pipeline, load_pipeline
from tasks.events import EventName, emit, payload_of
from tasks.ledger.ledger import Ledger
from tasks.ledger.records import CheckRecord
from tasks.monitoring.drift import write_report
from tasks.monitoring.history import record_history
from tasks.monitoring.judgement import (
    Judged,
    Subject,
    column_kinds,
    judge_drift_windows,
    judge_quality_windows,
    reference_rows,
)
from tasks.monitoring.labels import day_end, day_start, label_source
from tasks.monitoring.predictions import drain_predictions
from tasks.monitoring.windows import answered_rows
from tasks.releasing.champion import learned_until, require_champion
from tasks.settings import Settings, load_settings
from tasks.training.training import feature_days

log = structlog.get_logger(__name__)

OBSERVER = "monitor"
_task = task(cache_policy=NO_CACHE, persist_result=False)
_EVENTS = {Cause.QUALITY_DROP: EventName.QUALITY_DROPPED, Cause.DATA_DRIFT: EventName.DRIFT_DETECTED}


class CheckView(BaseModel):
    """One check of one window. `statistic` and `threshold` are in the unit that `reason` names."""

    model_config = ConfigDict(frozen=True)

    check: str
    outcome: Outcome
    reason: str
    observations: int
    statistic: float | None
    threshold: float | None
    window_from: date
    window_until: date


class MonitorReport(BaseModel):
    """What the checks say of the champion at the end of day `until`.

    `logged_share` is the share of the newest quality window's answers that the gateway gave itself, `label_coverage`
    and `label_hours` (median, from asking) how complete and how late its labels are. `incident_id` is set when the
    diagnosis called for action and no cool-down held it back.
    """

    model_config = ConfigDict(frozen=True)

    pipeline: str
    until: date
    version: str
    digest: str
    diagnosis: Diagnosis
    checks: tuple[CheckView, ...]
    drained: int
    logged_share: float | None = None
    label_coverage: float | None = None
    label_hours: float | None = None
    cooling_until: date | None = None
    incident_id: str | None = None
    report: str | None = None


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
    quality = judge_quality(subject)
    looks_back = 1 if quality[0].verdict.statistic is not None else subject.rules.persistence_windows
    features, predictions = judge_drift(subject, looks_back)
    checks = Checks(_verdicts(features), _verdicts(predictions), _verdicts(quality))
    persistence = Persistence(subject.rules.persistence_failed, subject.rules.persistence_windows)
    conclusion = diagnose(checks, persistence)
    cooling_until = _cooling_until(settings, config, subject)
    acts = conclusion.cause is not None and cooling_until is None
    record(settings, subject, (quality[0], features[0], predictions[0]), conclusion, acts=acts)
    report = _report(config, subject, (*quality, *features, *predictions), conclusion.diagnosis, drained)
    if acts:
        file = explain(subject, settings.reports_dir / pipeline)
        incident = hand_over(settings.ledger_dsn, pipeline, subject, quality[0], conclusion)
        report = report.model_copy(update={"incident_id": incident.id, "report": str(file)})
    report = report.model_copy(update={"cooling_until": cooling_until})
    _show(report)
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
def judge_quality(subject: Subject) -> tuple[Judged, ...]:
    """Quality on mature labels, window by window."""
    return judge_quality_windows(subject)


@_task
def judge_drift(subject: Subject, count: int) -> tuple[tuple[Judged, ...], tuple[Judged, ...]]:
    """Drift of features and of predictions."""
    return judge_drift_windows(subject, count)


@_task
def record(
    settings: Settings, subject: Subject, newest: tuple[Judged, Judged, Judged], conclusion: Conclusion, *, acts: bool
) -> None:
    """Keep the raw verdicts in the lake, and in the ledger those that `heal` may act on."""
    now, digest, version = datetime.now(UTC), subject.model.digest, subject.model.manifest.version
    raw = [(judged.window, judged.verdict) for judged in newest]
    record_history(subject.labels.lake_root, digest, version, raw, conclusion.diagnosis.value, now)
    zone, causes = subject.labels.zone, (Cause.QUALITY_DROP, Cause.DATA_DRIFT, Cause.PREDICTION_DRIFT)
    with Ledger(settings.ledger_dsn) as ledger:
        for judged, cause in zip(newest, causes, strict=True):
            calls = acts and conclusion.cause is cause
            ledger.record_check(
                CheckRecord(
                    pipeline=subject.model.manifest.pipeline,
                    cause=cause,
                    verdict=act_on(judged.verdict, calls, why_not=f"not acted on, diagnosis {conclusion.diagnosis}"),
                    window_from=day_start(judged.window.since, zone),
                    window_until=day_end(judged.window.until, zone),
                    recorded_at=now,
                )
            )


@_task
def explain(subject: Subject, reports_dir: Path) -> Path:
    """Evidently's report of the newest window, for whoever looks at the incident."""
    window = subject.windows(subject.rules.window_days, 1)[0]
    rows = answered_rows(subject.labels.lake_root, subject.labels.key, window, subject.model)
    path = reports_dir / f"drift-{subject.model.manifest.version}-{subject.until}.html"
    return write_report(rows, reference_rows(subject), column_kinds(subject.model), path)


@_task
def hand_over(ledger_dsn: str, pipeline: str, subject: Subject, quality: Judged, conclusion: Conclusion) -> Incident:
    """Write the evidence down, then tell: `heal` finds it in the ledger even if nobody hears the event."""
    cause = conclusion.cause
    assert cause is not None
    evidence = Evidence(
        pipeline=pipeline,
        cause=cause,
        subject=subject.model.manifest.version,
        observer=OBSERVER,
        observed_at=datetime.now(UTC),
        summary=quality.verdict.reason,
        facts={
            "digest": subject.model.digest,
            "window_from": quality.window.since.isoformat(),
            "until": subject.until.isoformat(),
            "increase": quality.verdict.statistic,
            "observations": quality.verdict.observations,
        },
    )
    with Ledger(ledger_dsn) as ledger:
        incident = ledger.observe(evidence)
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


def _verdicts(judged: tuple[Judged, ...]) -> tuple[Verdict, ...]:
    return tuple(each.verdict for each in judged)


def _report(
    config: Pipeline, subject: Subject, judged: tuple[Judged, ...], diagnosis: Diagnosis, drained: int
) -> MonitorReport:
    delay = judged[0].delay
    return MonitorReport(
        pipeline=config.name,
        until=subject.until,
        version=subject.model.manifest.version,
        digest=subject.model.digest,
        diagnosis=diagnosis,
        checks=tuple(_view(each) for each in judged),
        drained=drained,
        logged_share=judged[0].logged_share,
        label_coverage=None if delay is None else delay.coverage,
        label_hours=None if delay is None else delay.median_hours,
    )


def _view(judged: Judged) -> CheckView:
    verdict = judged.verdict
    return CheckView(
        check=verdict.check,
        outcome=verdict.outcome,
        reason=verdict.reason,
        observations=verdict.observations,
        statistic=verdict.statistic,
        threshold=verdict.threshold,
        window_from=judged.window.since,
        window_until=judged.window.until,
    )


def _show(report: MonitorReport) -> None:
    log.info(
        "monitor_finished",
        pipeline=report.pipeline,
        until=report.until.isoformat(),
        version=report.version,
        diagnosis=report.diagnosis.value,
        incident_id=report.incident_id,
    )
    rows = [
        f"| {check.check} | {check.window_from} to {check.window_until} | {check.outcome} | {check.reason} |"
        for check in report.checks
    ]
    lines = [
        f"Champion {report.version} at the end of {report.until}: **{report.diagnosis}**",
        "",
        "| check | window | outcome | why |",
        "|---|---|---|---|",
        *rows,
        *([f"\nCooling down until {report.cooling_until}."] if report.cooling_until else []),
        *([f"\nIncident {report.incident_id}, distributions in {report.report}."] if report.incident_id else []),
    ]
    create_markdown_artifact(key=f"monitor-{report.pipeline}".replace("_", "-"), markdown="\n".join(lines))
