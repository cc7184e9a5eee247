"""The report of one monitor run: returned to the caller, shown as an artifact in Prefect, and logged."""

from datetime import date
from pathlib import Path

import structlog
from prefect.artifacts import create_markdown_artifact
from pydantic import BaseModel, ConfigDict

from healing.incident import Incident
from healing.verdict import Outcome
from tasks.monitoring.diagnosis import Conclusion, Diagnosis
from tasks.monitoring.monitored_model import MonitoredModel, WindowVerdict
from tasks.monitoring.run_checks import CheckResults
from tasks.runtime.pages import markdown_cell

log = structlog.get_logger(__name__)


class ReportedCheck(BaseModel):
    """One verdict on one window. `statistic` and `threshold` have the unit that `reason` names."""

    model_config = ConfigDict(frozen=True)

    check: str
    outcome: Outcome
    reason: str
    observations: int
    statistic: float | None
    threshold: float | None
    window_from: date
    window_until: date

    @classmethod
    def of(cls, found: WindowVerdict) -> "ReportedCheck":
        verdict = found.verdict
        return cls(
            check=verdict.check,
            outcome=verdict.outcome,
            reason=verdict.reason,
            observations=verdict.observations,
            statistic=verdict.statistic,
            threshold=verdict.threshold,
            window_from=found.window.since,
            window_until=found.window.until,
        )


class MonitorReport(BaseModel):
    """The verdicts on the champion at the end of day `until`; the newest window of each check comes first.

    `logged_share` is the share of the newest quality window's predictions that the gateway logged. `label_coverage` is
    the share of its rows with labels, `label_hours` the median time until a label arrived. `incident_id` is set when
    the diagnosis led to an incident, `report` when an HTML report of distributions was written. `renewal_due` says that
    a retrain was asked for by schedule, `samples` names the days of which only some rows were read.
    """

    model_config = ConfigDict(frozen=True)

    pipeline: str
    until: date
    version: str
    digest: str
    diagnosis: Diagnosis
    because: str | None = None
    checks: tuple[ReportedCheck, ...]
    drained: int
    logged_share: float | None = None
    label_coverage: float | None = None
    label_hours: float | None = None
    cooling_until: date | None = None
    incident_id: str | None = None
    renewal_due: bool = False
    samples: tuple[str, ...] = ()
    report: str | None = None

    @classmethod
    def of(
        cls,
        model: MonitoredModel,
        found: CheckResults,
        conclusion: Conclusion,
        *,
        drained: int,
        cooling_until: date | None,
        incident: Incident | None,
        renewal_due: bool,
        distributions: Path | None,
    ) -> "MonitorReport":
        quality, ground = found.quality, conclusion.ground
        return cls(
            pipeline=model.champion.manifest.pipeline,
            until=model.until,
            version=model.champion.manifest.version,
            digest=model.champion.digest,
            diagnosis=conclusion.diagnosis,
            because=None if ground is None else f"{ground.check}: {ground.reason}",
            checks=tuple(ReportedCheck.of(each) for each in found.everything),
            drained=drained,
            logged_share=quality.logged_share,
            label_coverage=None if quality.delay is None else quality.delay.coverage,
            label_hours=None if quality.delay is None else quality.delay.median_hours,
            cooling_until=cooling_until,
            incident_id=None if incident is None else incident.id,
            renewal_due=renewal_due,
            samples=tuple(f"{each} rows from {days.since} to {days.until}" for days, each in model.samples.items()),
            report=None if distributions is None else str(distributions),
        )


def publish_report(report: MonitorReport) -> None:
    """Create the run's Prefect artifact, and write one line to the log."""
    log.info(
        "monitor_finished",
        pipeline=report.pipeline,
        until=report.until.isoformat(),
        version=report.version,
        diagnosis=report.diagnosis.value,
        incident_id=report.incident_id,
    )
    create_markdown_artifact(key=f"monitor-{report.pipeline}".replace("_", "-"), markdown=markdown(report))


def markdown(report: MonitorReport) -> str:
    """The report as a page: the diagnosis, its ground, and every verdict with its numbers."""
    rows = [
        f"| {each.check} | {each.window_from} to {each.window_until} | **{each.outcome}** "
        f"| {_number(each.statistic)} | {_number(each.threshold)} | {each.observations} "
        f"| {markdown_cell(each.reason)} |"
        for each in report.checks
    ]
    labels = "no labels yet"
    if report.label_coverage is not None:
        delay = "" if report.label_hours is None else f", median delay {report.label_hours:.1f} hours"
        labels = f"labels for {report.label_coverage:.1%} of the predictions{delay}"
    lines = [
        f"## {report.pipeline}: {report.diagnosis.replace('_', ' ')}",
        "",
        f"Champion {report.version} at the end of {report.until}; {labels}.",
        *([f"\nReason: {report.because}"] if report.because else []),
        "",
        "| check | window | outcome | statistic | threshold | observations | reason |",
        "|---|---|---|---:|---:|---:|---|",
        *rows,
        *([f"\nCool-down until {report.cooling_until}."] if report.cooling_until else []),
        *([f"\nIncident {report.incident_id}."] if report.incident_id else []),
        *([f"\nSamples: {'; '.join(report.samples)}."] if report.samples else []),
        *([f"\nDistributions: `{report.report}`"] if report.report else []),
    ]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
