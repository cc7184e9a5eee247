"""The report of a monitor run: its diagnosis, and one row per check with the reason."""

from collections.abc import Iterable

from rich.console import RenderableType
from rich.text import Text

from cli.render.parts import Headline, Tone, fields, number, quiet, table, word
from tasks.monitoring.diagnosis import Diagnosis
from tasks.monitoring.report import MonitorReport, ReportedCheck


def monitor_parts(report: MonitorReport) -> list[RenderableType]:
    """The newest verdict of each check; how the earlier windows of a check ended stands behind its name."""
    labels = None if report.label_coverage is None else f"for {report.label_coverage:.1%} of the predictions"
    logged = None if report.logged_share is None else f"{report.logged_share:.1%} of the predictions"
    head = (f"{report.pipeline}: champion {report.version} on {report.until}:", _diagnosis(report.diagnosis))
    return [
        Headline(*head),
        fields(
            [
                ("because", report.because),
                ("labels", labels),
                ("logged", logged),
                ("samples", "; ".join(report.samples)),
                ("cooling until", None if report.cooling_until is None else str(report.cooling_until)),
                ("incident", report.incident_id),
                ("renewal", "asked for, by schedule" if report.renewal_due else None),
                ("page", report.report),
            ]
        ),
        table(
            ("check", "verdict", "value", "limit", "seen", "reason"),
            (_row(newest, earlier) for newest, earlier in _by_check(report.checks)),
            numbers=("value", "limit", "seen"),
        ),
    ]


def _diagnosis(diagnosis: Diagnosis) -> Text:
    return Text("all checks passed", style=Tone.GOOD) if diagnosis is Diagnosis.NOTHING else word(diagnosis)


def _by_check(checks: Iterable[ReportedCheck]) -> list[tuple[ReportedCheck, list[ReportedCheck]]]:
    """Each check's newest verdict with the earlier ones, newest first, in the order of the report."""
    grouped: dict[str, list[ReportedCheck]] = {}
    for check in checks:
        grouped.setdefault(check.check, []).append(check)
    return [(some[0], some[1:]) for some in grouped.values()]


def _row(newest: ReportedCheck, earlier: list[ReportedCheck]) -> tuple[RenderableType, ...]:
    before = f"; before that {', '.join(each.outcome.lower() for each in earlier)}" if earlier else ""
    days = f"{newest.window_from} to {newest.window_until}"
    return (
        newest.check,
        word(newest.outcome),
        number(newest.statistic),
        number(newest.threshold),
        number(newest.observations),
        quiet(f"{newest.reason} ({days}{before})"),
    )
