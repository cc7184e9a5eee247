"""Pause pipeline: nothing more is ingested, trained or released until a person resumes it; serving goes on."""

from healing.incident import AttemptOutcome, Remedy
from healing.verdict import Outcome, Verdict
from tasks.incidents.pipeline_pause import pause_pipeline
from tasks.incidents.remedy_action import AUTHOR, RemedyAction, RemedyContext
from tasks.incidents.remedy_result import RemedyResult
from tasks.ledger.pauses import current_pause


class PauseRemedy(RemedyAction):
    """Contains the damage of a cause that comes back with every batch or model.

    It repairs nothing, so its attempt never succeeds: the incident goes on to people, who resume the pipeline.
    """

    remedy = Remedy.PAUSE_PIPELINE

    def apply(self, context: RemedyContext) -> RemedyResult:
        incident = context.incident
        begun = pause_pipeline(
            context.settings,
            context.ledger,
            incident.pipeline,
            by=AUTHOR,
            reason=context.reason,
            incident_id=incident.id,
        )
        pause = begun or current_pause(context.ledger, incident.pipeline)
        repair = f"this repairs nothing; when the cause is gone, run `autopilot resume {incident.pipeline}`"
        return RemedyResult(AttemptOutcome.FUTILE, f"{incident.pipeline} is {pause}; {repair}")

    def observe(self, context: RemedyContext) -> Verdict:  # noqa: ARG002
        return Verdict("pause", Outcome.INCONCLUSIVE, "a pause contains a problem and does not end it", 0)


REMEDIES = (PauseRemedy(),)
