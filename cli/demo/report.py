"""The demo's report: requests, rows, incidents with their times, and releases, as JSON and as a page."""

import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from pydantic import BaseModel, ConfigDict

from chaos.load import Answer
from cli.demo.classify import RequestClass
from cli.demo.plots import plot_batches, plot_check, plot_latency, plot_requests
from cli.stack.services import PROJECT_DIR
from healing.incident import Cause, Incident, Remedy, Status
from healing.release import Reason, Release
from tasks.ledger.records import BatchRecord, CheckRecord
from tasks.runtime.pages import render_page

if TYPE_CHECKING:
    from cli.demo.demo_stack import ExpectedIncident


TEMPLATE = "report.html.jinja"


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class Requests(_Document):
    """Every request is in exactly one of the four classes."""

    total: int
    good: int
    degraded: int
    failed: int
    wrong: int


class Rows(_Document):
    """Every received row is in exactly one of the other three."""

    received: int
    accepted: int
    quarantined: int
    duplicates: int


class IncidentSummary(_Document):
    """Seconds since the fault began; None for what did not happen."""

    cause: Cause
    subject: str
    status: Status
    remedies: tuple[Remedy, ...]
    detected_s: float | None
    mitigated_s: float | None
    recovered_s: float | None


class ReleaseSummary(_Document):
    generation: int
    reason: Reason
    champion: str
    challenger: str | None
    author: str
    note: str


class ChapterReport(_Document):
    title: str
    seconds: float


class Machine(_Document):
    cores: int
    memory_gib: float


class Report(_Document):
    """`report.json`."""

    requests: Requests
    rows: Rows
    incidents: tuple[IncidentSummary, ...]
    releases: tuple[ReleaseSummary, ...]
    chapters: tuple[ChapterReport, ...]
    machine: Machine
    revision: str
    missing: tuple[str, ...] = ()


def requests_report(classes: Sequence[RequestClass]) -> Requests:
    counts = Counter(classes)
    return Requests(total=len(classes), **{each.value: counts[each] for each in RequestClass})


def rows_report(batches: Sequence[BatchRecord]) -> Rows:
    return Rows(
        received=sum(batch.received for batch in batches),
        accepted=sum(batch.accepted for batch in batches),
        quarantined=sum(batch.quarantined for batch in batches),
        duplicates=sum(batch.duplicates for batch in batches),
    )


def incident_summary(incident: Incident, expected: "Sequence[ExpectedIncident]") -> IncidentSummary:
    """Timed from the last fault of its kind before its detection, else from the detection itself."""
    before = [
        each.began_at for each in expected if incident.cause in each.causes and each.began_at <= incident.detected_at
    ]
    began_at = max(before, default=incident.detected_at)

    def seconds_to(moment: datetime | None) -> float | None:
        return None if moment is None else round((moment - began_at).total_seconds(), 2)

    return IncidentSummary(
        cause=incident.cause,
        subject=incident.subject,
        status=incident.status,
        remedies=tuple(attempt.remedy for attempt in incident.attempts),
        detected_s=seconds_to(incident.detected_at),
        mitigated_s=seconds_to(incident.mitigated_at),
        recovered_s=seconds_to(incident.ended_at) if incident.status is Status.RECOVERED else None,
    )


def release_summary(release: Release) -> ReleaseSummary:
    return ReleaseSummary(
        generation=release.generation,
        reason=release.reason,
        champion=release.champion.version,
        challenger=release.challenger.model.version if release.challenger else None,
        author=release.author,
        note=release.note,
    )


def this_machine() -> Machine:
    return Machine(cores=psutil.cpu_count() or 1, memory_gib=round(psutil.virtual_memory().total / 2**30, 1))


def this_revision(project: Path = PROJECT_DIR) -> str:
    """The commit of the code that ran; `unknown` outside a repository."""
    asked = subprocess.run(
        ["git", "-C", str(project), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() if asked.returncode == 0 else "unknown"


@dataclass(frozen=True, slots=True)
class Material:
    """Input of the plots. `checks` maps a title to the records of one check."""

    answers: Sequence[Answer]
    classes: Sequence[RequestClass]
    batches: Sequence[BatchRecord]
    checks: Mapping[str, Sequence[CheckRecord]]


def render(report: Report, material: Material) -> str:
    """The page; every value is escaped."""
    plots = {
        "requests": plot_requests(material.answers, material.classes),
        "latency": plot_latency(material.answers),
        "batches": plot_batches(material.batches),
        "checks": [plot_check(records, title) for title, records in material.checks.items()],
    }
    return render_page(Path(__file__).parent, TEMPLATE, report=report, plots=plots)
