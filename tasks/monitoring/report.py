"""What a run of the monitor says: to its caller, on its page in Prefect, and in the log."""

from collections.abc import Sequence
from datetime import date

import structlog
from prefect.artifacts import create_markdown_artifact
from pydantic import BaseModel, ConfigDict

from healing.verdict import Outcome
from healing.window_diagnosis import Diagnosis
from tasks.monitoring.monitored_model import Judged

log = structlog.get_logger(__name__)


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

    @classmethod
    def of(cls, judged: Judged) -> "CheckView":
        verdict = judged.verdict
        return cls(
            check=verdict.check,
            outcome=verdict.outcome,
            reason=verdict.reason,
            observations=verdict.observations,
            statistic=verdict.statistic,
            threshold=verdict.threshold,
            window_from=judged.window.since,
            window_until=judged.window.until,
        )


class MonitorReport(BaseModel):
    """What the checks say of the champion at the end of day `until`; the newest window of a check comes first.

    `logged_share` is the share of the newest quality window's answers that the gateway gave itself, `label_coverage`
    and `label_hours` (median, from asking) how complete and how late its labels are. `incident_id` is set when the
    diagnosis called for action and no cool-down held it back, `report` when there is something to see.
    """

    model_config = ConfigDict(frozen=True)

    pipeline: str
    until: date
    version: str
    digest: str
    diagnosis: Diagnosis
    because: str | None = None
    checks: tuple[CheckView, ...]
    drained: int
    logged_share: float | None = None
    label_coverage: float | None = None
    label_hours: float | None = None
    cooling_until: date | None = None
    incident_id: str | None = None
    report: str | None = None


def views(judged: Sequence[Judged]) -> tuple[CheckView, ...]:
    return tuple(CheckView.of(each) for each in judged)


def show(report: MonitorReport) -> None:
    """Put the report where people look: an artifact of the run, always, and one line in the log."""
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
    """The report as a page: the diagnosis, what it rests on, and every check with its numbers."""
    rows = [
        f"| {each.check} | {each.window_from} to {each.window_until} | **{each.outcome}** "
        f"| {_number(each.statistic)} | {_number(each.threshold)} | {each.observations} | {_cell(each.reason)} |"
        for each in report.checks
    ]
    labels = "no labels yet"
    if report.label_coverage is not None:
        delay = "" if report.label_hours is None else f", {report.label_hours:.1f} hours after asking (median)"
        labels = f"labels for {report.label_coverage:.1%} of the answers{delay}"
    lines = [
        f"## {report.pipeline}: {report.diagnosis.replace('_', ' ')}",
        "",
        f"Champion {report.version} at the end of {report.until}; {labels}.",
        *([f"\nIt rests on {report.because}"] if report.because else []),
        "",
        "| check | window | outcome | found | limit | looked at | why |",
        "|---|---|---|---:|---:|---:|---|",
        *rows,
        *([f"\nCooling down until {report.cooling_until}."] if report.cooling_until else []),
        *([f"\nIncident {report.incident_id}."] if report.incident_id else []),
        *([f"\nDistributions: `{report.report}`"] if report.report else []),
    ]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
