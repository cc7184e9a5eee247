"""The control plane's metrics: incidents, attempts, data, monitor checks and drills, from the ledger and the snapshot.

The healer writes them beside its snapshot, and the gateway adds them to its own (decision 50). Times are Unix times, so
that a healer that has ended does not make its last values look new.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from healer.status_snapshot import StatusSnapshot
from healing.detectors import OBSERVED_CONTINUOUSLY
from healing.incident import ENDED, AttemptOutcome, Cause, Status
from healing.verdict import Outcome
from releases.exposition import Distribution, MetricDeclaration, MetricKind, Sample
from tasks.ledger.store import Ledger

WRITTEN = MetricDeclaration(
    "autopilot_metrics_written_timestamp_seconds", MetricKind.GAUGE, "When the healer wrote its metrics."
)
HEARTBEAT = MetricDeclaration(
    "autopilot_healer_heartbeat_timestamp_seconds", MetricKind.GAUGE, "When the healer ended its last round."
)
LEDGER_UP = MetricDeclaration(
    "autopilot_ledger_up", MetricKind.GAUGE, "1 while the ledger answers; else its metrics keep their last values."
)
ALERTS_UNSENT = MetricDeclaration(
    "autopilot_alerts_unsent", MetricKind.GAUGE, "Messages to people that a route has not accepted yet."
)
PAUSED = MetricDeclaration("autopilot_pipeline_paused", MetricKind.GAUGE, "1 while the pipeline is paused.")
UNFINISHED_INCIDENTS = MetricDeclaration(
    "autopilot_incidents_unfinished", MetricKind.GAUGE, "Incidents that the system is healing, by cause.", ("cause",)
)
NEEDING_PERSON = MetricDeclaration(
    "autopilot_incidents_needing_person",
    MetricKind.GAUGE,
    "Escalated incidents whose problem is still observed, by cause.",
    ("cause",),
)
ESCALATIONS = MetricDeclaration(
    "autopilot_escalations_total", MetricKind.COUNTER, "Incidents that were escalated to people, by cause.", ("cause",)
)
RECOVERY = MetricDeclaration(
    "autopilot_incident_recovery_seconds",
    MetricKind.SUMMARY,
    "Time from detection to the end of recovered incidents, by cause.",
    ("cause",),
)
DISMISSED = MetricDeclaration(
    "autopilot_incidents_dismissed_total", MetricKind.COUNTER, "Incidents that were dismissed, by cause.", ("cause",)
)
ATTEMPTS = MetricDeclaration(
    "autopilot_attempts_total", MetricKind.COUNTER, "Ended attempts, by remedy and outcome.", ("remedy", "outcome")
)
NEWEST_DAY = MetricDeclaration(
    "autopilot_table_newest_day_timestamp_seconds",
    MetricKind.GAUGE,
    "End of the newest accepted day of a table.",
    ("table",),
)
RECORDED = MetricDeclaration(
    "autopilot_table_recorded_timestamp_seconds", MetricKind.GAUGE, "When a batch of a table came last.", ("table",)
)
ROWS = MetricDeclaration(
    "autopilot_table_rows", MetricKind.GAUGE, "Rows of all batches of a table, by outcome.", ("table", "outcome")
)
BATCHES = MetricDeclaration(
    "autopilot_table_batches", MetricKind.GAUGE, "Batches of a table, by outcome.", ("table", "outcome")
)
CHECK_VERDICT = MetricDeclaration(
    "autopilot_monitor_verdict", MetricKind.GAUGE, "1 for the last verdict of a monitor check.", ("check", "verdict")
)
CHECK_STATISTIC = MetricDeclaration(
    "autopilot_monitor_statistic", MetricKind.GAUGE, "Statistic of the last run of a monitor check.", ("check",)
)
CHECK_THRESHOLD = MetricDeclaration(
    "autopilot_monitor_threshold", MetricKind.GAUGE, "Value at which a monitor check fails.", ("check",)
)
CHECK_RECORDED = MetricDeclaration(
    "autopilot_monitor_recorded_timestamp_seconds", MetricKind.GAUGE, "When a monitor check ran last.", ("check",)
)
DRILL_RECOVERED = MetricDeclaration(
    "autopilot_drill_recovered", MetricKind.GAUGE, "1 where the last run of a drill exited with 0.", ("drill",)
)
DRILL_RECOVERY = MetricDeclaration(
    "autopilot_drill_recovery_seconds",
    MetricKind.GAUGE,
    "Time to recover of the last run of a drill, at most; none where it did not recover.",
    ("drill",),
)
DRILL_STARTED = MetricDeclaration(
    "autopilot_drill_started_timestamp_seconds", MetricKind.GAUGE, "When a drill was started last.", ("drill",)
)

HEALER_METRICS = (
    *(WRITTEN, HEARTBEAT, LEDGER_UP, ALERTS_UNSENT, PAUSED),
    *(UNFINISHED_INCIDENTS, NEEDING_PERSON, ESCALATIONS, RECOVERY, DISMISSED, ATTEMPTS),
    *(NEWEST_DAY, RECORDED, ROWS, BATCHES),
    *(CHECK_VERDICT, CHECK_STATISTIC, CHECK_THRESHOLD, CHECK_RECORDED),
    *(DRILL_RECOVERED, DRILL_RECOVERY, DRILL_STARTED),
)


def ledger_samples(ledger: Ledger, pipeline: str) -> list[Sample]:
    """Incidents and attempts of the whole ledger. Every cause has a value, so that its first incident is a change."""
    unfinished, needing, dismissed = (Counter[str]() for _ in range(3))
    recovered: dict[str, Distribution] = {}
    for each in ledger.incident_totals(pipeline):
        if each.status not in ENDED:
            unfinished[each.cause] += each.incidents
        elif each.status == Status.ESCALATED and each.cause in OBSERVED_CONTINUOUSLY:
            needing[each.cause] += each.incidents
        elif each.status == Status.DISMISSED:
            dismissed[each.cause] += each.incidents
        elif each.status == Status.RECOVERED:
            recovered[each.cause] = Distribution(each.incidents, each.seconds)
    escalated = ledger.escalations(pipeline)
    samples = []
    for cause in Cause:
        label = (cause.value,)
        samples += [
            Sample(UNFINISHED_INCIDENTS, label, unfinished[cause]),
            Sample(NEEDING_PERSON, label, needing[cause]),
            Sample(ESCALATIONS, label, escalated.get(cause, 0)),
            Sample(RECOVERY, label, recovered.get(cause, Distribution(0, 0.0))),
            Sample(DISMISSED, label, dismissed[cause]),
        ]
    ended = [each for each in ledger.attempt_totals(pipeline) if each.outcome != AttemptOutcome.RUNNING]
    return samples + [Sample(ATTEMPTS, (each.remedy, each.outcome), each.attempts) for each in ended]


def snapshot_samples(snapshot: StatusSnapshot) -> Iterator[Sample]:
    """Data, monitor checks, drills and the pause; nothing of a section that could not be read."""
    yield Sample(WRITTEN, (), snapshot.written_at.timestamp())
    values = {name: section.value for name, section in snapshot.sections.items() if not section.error}
    if "pause" in values:
        yield Sample(PAUSED, (), int(values["pause"] is not None))
    for table in (values.get("data") or {}).get("tables", ()):
        yield from _table(table)
    for check in (values.get("checks") or {}).get("latest", ()):
        yield from _check(check)
    yield from _drills(values.get("drills") or ())


def _table(table: Mapping[str, Any]) -> Iterator[Sample]:
    name, newest = str(table["table"]), table["newest_day"]
    if newest is not None:
        yield Sample(NEWEST_DAY, (name,), _end_of_day(newest))
    yield Sample(RECORDED, (name,), table["recorded_at"].timestamp())
    yield Sample(ROWS, (name, "accepted"), table["accepted_rows"])
    yield Sample(ROWS, (name, "quarantined"), table["quarantined_rows"])
    yield Sample(BATCHES, (name, "accepted"), table["batches"] - table["rejected_batches"])
    yield Sample(BATCHES, (name, "rejected"), table["rejected_batches"])


def _end_of_day(day: date) -> float:
    return datetime.combine(day, time.min, UTC).timestamp() + 86_400


def _check(check: Mapping[str, Any]) -> Iterator[Sample]:
    label = (str(check["check"]),)
    for verdict in Outcome:
        yield Sample(CHECK_VERDICT, (*label, verdict.value), int(check["outcome"] == verdict))
    if check["statistic"] is not None:
        yield Sample(CHECK_STATISTIC, label, check["statistic"])
    if check["threshold"] is not None:
        yield Sample(CHECK_THRESHOLD, label, check["threshold"])
    yield Sample(CHECK_RECORDED, label, check["recorded_at"].timestamp())


def _drills(newest_first: Sequence[Mapping[str, Any]]) -> Iterator[Sample]:
    """The last run of each drill; runs with a remedy disabled are meant to fail and left out."""
    seen: set[str] = set()
    for drill in newest_first:
        if drill["ablated"] or drill["name"] in seen:
            continue
        seen.add(drill["name"])
        label, recover = (str(drill["name"]),), drill["durations"].get("recover")
        yield Sample(DRILL_RECOVERED, label, int(drill["exit"] == 0))
        if recover is not None:
            yield Sample(DRILL_RECOVERY, label, float(recover[1]))
        yield Sample(DRILL_STARTED, label, datetime.fromisoformat(drill["started_at"]).timestamp())
