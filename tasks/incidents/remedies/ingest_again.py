"""Ingest again: ingestion waits, retries, switches sources, repairs and quarantines by itself, as policy allows."""

from healing.detectors import FOUND_BY_INGESTION
from healing.incident import AttemptOutcome, Cause, Remedy
from healing.verdict import Outcome, Verdict
from tasks.incidents.remedy_action import AttemptRun, RemedyAction, RemedyContext
from tasks.incidents.remedy_result import RemedyResult
from tasks.ingestion.run_record import SCHEDULE, finished_since
from tasks.ledger.pauses import current_pause


class IngestRemedy(RemedyAction):
    """Runs the flow `ingest`, which treats the incident: it records its own attempt and closes the incident.

    An ingest that nobody started is treated as soon as this run has ended without an error.
    """

    verify_seconds_max = 5.0  # ingestion closes the incident before it ends

    def __init__(self, remedy: Remedy) -> None:
        self.remedy = remedy

    def applies_to(self, cause: Cause) -> bool:
        return super().applies_to(cause) and cause in FOUND_BY_INGESTION

    def apply(self, context: RemedyContext) -> RemedyResult:
        if context.incident.subject == SCHEDULE and self.remedy is Remedy.WAIT:
            return RemedyResult(AttemptOutcome.FUTILE, "nobody starts the ingest, so waiting for it cannot help")
        pause = current_pause(context.ledger, context.incident.pipeline)
        if pause is not None:
            return RemedyResult(AttemptOutcome.FUTILE, f"the pipeline is {pause}")
        parameters = {"pipeline": context.incident.pipeline}
        run = context.runner.run("ingest/ingest", parameters, context.idempotency_key)
        if run is None:
            return RemedyResult(AttemptOutcome.SUCCEEDED, "ingested")
        return RemedyResult(AttemptOutcome.RUNNING, "run of ingest/ingest", flow_run_id=run)

    def observe(self, context: RemedyContext) -> Verdict:
        if context.incident.subject != SCHEDULE:
            return Verdict("ingest", Outcome.INCONCLUSIVE, "ingestion has run and left the incident open", 0)
        if _has_ended(context):
            return Verdict("ingest", Outcome.PASS, "an ingest has ended without an error", 1)
        return Verdict("ingest", Outcome.INCONCLUSIVE, "no ingest has ended without an error since then", 0)

    def resume(self, context: RemedyContext, run: AttemptRun) -> RemedyResult | None:
        """For an ingest that nobody started, a run that ended without an error is a success, whoever started it."""
        if context.incident.subject == SCHEDULE and _has_ended(context):
            return RemedyResult(AttemptOutcome.SUCCEEDED, "the ingest has ended without an error")
        return super().resume(context, run)


def _has_ended(context: RemedyContext) -> bool:
    """Whether an ingest has ended without an error since the attempt started."""
    return finished_since(context.ledger, context.incident.pipeline, context.attempt.started_at)


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
