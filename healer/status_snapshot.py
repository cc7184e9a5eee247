"""The snapshot of the control plane that the gateway's status page shows: incidents, rollout, data, checks and drills.

Every section is read by itself: one that cannot be read has an error instead of a value, and a row that cannot be
read is counted and named beside the others. The gateway has no ledger, so the file is the only way of these facts to
the page (decision 42).
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import structlog

from healing.approval import Approval
from healing.detectors import OBSERVED_CONTINUOUSLY
from healing.incident import Incident, Status
from releases.log import ReleaseLog
from releases.release_root import ReleaseRoot
from tasks.config.pipeline import Pipeline
from tasks.config.settings import Settings
from tasks.ledger.decisions import RecordedDecision
from tasks.ledger.pauses import current_pause
from tasks.ledger.records import CheckRecord
from tasks.ledger.store import Ledger
from tasks.rollout.rollout_status import current_progress

log = structlog.get_logger(__name__)

INCIDENTS_MAX = 20
DRILLS_MAX = 6
QUALITY_POINTS_MAX = 40
_DRILL_BYTES_MAX = 1_000_000
_TEXT_MAX = 600  # of one summary, reason or note

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StatusSection:
    """`value` is None where `error` says why it could not be read. `broken` names rows that are left out."""

    value: Any = None
    error: str = ""
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StatusSnapshot:
    """What the control plane knew at `written_at`."""

    pipeline: str
    written_at: datetime
    sections: Mapping[str, StatusSection] = field(default_factory=dict)

    @property
    def has_unfinished_incident(self) -> bool:
        """Whether decisions are being made, which have no entry in the journal."""
        return any(each["ended_at"] is None for each in self.sections["incidents"].value or ())


def read_snapshot(
    settings: Settings, config: Pipeline, ledger: Ledger | None, ledger_error: str = ""
) -> StatusSnapshot:
    """What can be read now. Without a ledger its sections say `ledger_error`."""
    name = config.name

    def of_ledger(read: Callable[[Ledger], StatusSection]) -> StatusSection:
        if ledger is None:
            return StatusSection(error=ledger_error)
        return _guarded(lambda: read(ledger))

    return StatusSnapshot(
        pipeline=name,
        written_at=datetime.now(UTC),
        sections={
            "incidents": of_ledger(lambda each: _incidents(each, name)),
            "pause": of_ledger(lambda each: _pause(each, name)),
            "data": of_ledger(lambda each: _data(each, config)),
            "checks": of_ledger(lambda each: _checks(each, name)),
            "rollout": _guarded(lambda: _rollout(settings.release_root(name))),
            "drills": _guarded(lambda: _drills(settings.home, name)),
        },
    )


def _guarded(read: Callable[[], StatusSection]) -> StatusSection:
    """The section, or its error: a defect in one section must not take the others away."""
    try:
        return read()
    except Exception as exc:  # noqa: BLE001  shown on the page, where somebody reads it
        return StatusSection(error=_short(f"{type(exc).__name__}: {exc}"))


def _each(items: Iterable[T], read: Callable[[T], Any]) -> StatusSection:
    """What `read` makes of each item; items that cannot be read are named as broken."""
    found, broken = [], []
    for item in items:
        try:
            found.append(read(item))
        except Exception as exc:  # noqa: BLE001  one broken row is shown as one broken row
            broken.append(_short(f"{item}: {type(exc).__name__}: {exc}"))
    return StatusSection(found, broken=tuple(broken))


def _incidents(ledger: Ledger, pipeline: str) -> StatusSection:
    """Unfinished incidents first, then the newest."""
    return _each(ledger.incident_ids(pipeline, INCIDENTS_MAX), lambda each: _incident(ledger, ledger.incident(each)))


def _incident(ledger: Ledger, incident: Incident) -> dict[str, Any]:
    decisions = [] if incident.ended else ledger.decisions(incident.id)[-1:]
    asked = [] if incident.ended else ledger.approvals(incident.id)
    return {
        "id": incident.id,
        "cause": incident.cause.value,
        "subject": incident.subject,
        "status": incident.status.value,
        "open": incident.ended_at is None or _is_observed(incident),
        "summary": _short(incident.summary),
        "detected_at": incident.detected_at,
        "mitigated_at": incident.mitigated_at,
        "ended_at": incident.ended_at,
        "attempts": [
            {
                "number": each.number,
                "remedy": each.remedy.value,
                "outcome": each.outcome.value,
                "started_at": each.started_at,
                "ended_at": each.ended_at,
                "note": _short(each.note),
            }
            for each in incident.attempts
        ],
        "decision": _decision(decisions[0]) if decisions else None,
        "waits_for_approval": _unanswered(incident, asked),
    }


def _is_observed(incident: Incident) -> bool:
    """Whether an escalated incident recovers by itself once its problem is gone: until then it needs a person."""
    return incident.status is Status.ESCALATED and incident.cause in OBSERVED_CONTINUOUSLY


def _decision(recorded: RecordedDecision) -> dict[str, Any]:
    decision = recorded.decision
    return {
        "at": recorded.at,
        "step": decision.step,
        "reason": _short(decision.reason),
        "remedy": None if decision.remedy is None else decision.remedy.value,
        "presence": _short(decision.presence_reason),
        "attempts": decision.budget.attempts,
        "attempts_max": decision.budget.attempts_max,
        "verified": _short(decision.verified_reason),
    }


def _unanswered(incident: Incident, approvals: Iterable[Approval]) -> list[str]:
    """The remedies that the next attempt waits with, for a person's answer."""
    following = len(incident.attempts) + 1
    return [each.remedy.value for each in approvals if each.number == following and each.outcome is None]


def _pause(ledger: Ledger, pipeline: str) -> StatusSection:
    pause = current_pause(ledger, pipeline)
    return StatusSection(
        None if pause is None else {"since": pause.since, "by": pause.by, "reason": _short(pause.reason)}
    )


def _data(ledger: Ledger, config: Pipeline) -> StatusSection:
    """Freshness and quarantine per table, in rows and batches."""
    totals = ledger.table_totals(config.name)
    return StatusSection(
        {"stale_after_days": config.contract.stale_after_days, "tables": [each._asdict() for each in totals]}
    )


def _checks(ledger: Ledger, pipeline: str) -> StatusSection:
    """The newest verdict of every check of the monitor; of quality also those before it."""
    quality = [each.verdict.statistic for each in ledger.check_history(pipeline, "quality", QUALITY_POINTS_MAX)]
    checks = [_check(each) for each in ledger.latest_checks(pipeline)]
    return StatusSection({"latest": checks, "quality_history": quality[::-1]})


def _check(record: CheckRecord) -> dict[str, Any]:
    verdict = record.verdict
    return {
        "check": verdict.check,
        "outcome": verdict.outcome.value,
        "reason": _short(verdict.reason),
        "observations": verdict.observations,
        "statistic": verdict.statistic,
        "threshold": verdict.threshold,
        "window_until": record.window_until,
        "recorded_at": record.recorded_at,
    }


def _rollout(release_root: ReleaseRoot) -> StatusSection:
    """What the controller of a rollout reported last; None while no rollout is in progress."""
    current = ReleaseLog(release_root).current()
    progress = None if current is None else current_progress(release_root, current)
    return StatusSection(None if progress is None else progress.model_dump(mode="json"))


def _drills(home: Path, pipeline: str) -> StatusSection:
    """The newest drills of the pipeline, from the outcome files that `autopilot drill` writes."""
    found = _each(_outcome_files(home), _drill)
    return replace(found, value=[each for each in found.value if each["pipeline"] == pipeline][:DRILLS_MAX])


def _outcome_files(home: Path) -> Iterator[Path]:
    """The outcome files, newest first: their folders are named by the time of the start."""
    files = sorted((home / "drills").glob("*/*/outcome.json"), key=lambda path: path.parent.name, reverse=True)
    yield from files[: 2 * DRILLS_MAX]


def _drill(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _DRILL_BYTES_MAX:
        raise ValueError(f"expected at most {_DRILL_BYTES_MAX} bytes")
    found = json.loads(path.read_bytes())
    return {
        "pipeline": found["pipeline"],
        "name": found["name"],
        "ablated": found.get("ablated"),
        "started_at": found["started_at"],
        "exit": found["exit"],
        "reason": _short(found["reason"]),
        "durations": found.get("durations", {}),
        "requests": found.get("requests", {}),
        "remedies": found.get("remedies", ()),
    }


def _short(text: str) -> str:
    return text if len(text) <= _TEXT_MAX else f"{text[: _TEXT_MAX - 1]}…"
