"""Ingest again: ingestion waits, retries, switches sources, repairs and quarantines by itself, as policy allows."""

from healing.detectors import FOUND_BY_INGESTION
from healing.incident import AttemptOutcome, Cause, Remedy
from healing.verdict import Outcome, Verdict
from tasks.incidents.remedy_action import RemedyAction, RemedyContext
from tasks.incidents.remedy_result import RemedyResult


class IngestRemedy(RemedyAction):
    """Runs the flow `ingest`, which treats the incident: it records its own attempt and closes the incident."""

    verify_seconds_max = 5.0  # ingestion closes the incident before it ends

    def __init__(self, remedy: Remedy) -> None:
        self.remedy = remedy

    def applies_to(self, cause: Cause) -> bool:
        return super().applies_to(cause) and cause in FOUND_BY_INGESTION

    def apply(self, context: RemedyContext) -> RemedyResult:
        parameters = {"pipeline": context.incident.pipeline}
        run = context.runner.run("ingest/ingest", parameters, context.idempotency_key)
        if run is None:
            return RemedyResult(AttemptOutcome.SUCCEEDED, "ingested")
        return RemedyResult(AttemptOutcome.RUNNING, "run of ingest/ingest", flow_run_id=run)

    def observe(self, context: RemedyContext) -> Verdict:  # noqa: ARG002
        return Verdict("ingest", Outcome.INCONCLUSIVE, "ingestion has run and left the incident open", 0)


REMEDIES = tuple(
    IngestRemedy(remedy)
    for remedy in (
        Remedy.WAIT,
        Remedy.RETRY,
        Remedy.SWITCH_SOURCE,
        Remedy.REPAIR_BATCH,
        Remedy.QUARANTINE_BATCH,
    )
)
