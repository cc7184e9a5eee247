"""Events: their names, the evidence they carry, and sending them. They make repair faster; nothing depends on them."""

from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

import structlog
from prefect.events import emit_event
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from healing.evidence import Evidence
from healing.incident import Cause, known_cause

log = structlog.get_logger(__name__)


class EventName(StrEnum):
    """Every event that this project emits. The resource is always `autopilot.pipeline.<pipeline>`."""

    BATCH_ACCEPTED = "autopilot.batch.accepted"
    BATCH_REPAIRED = "autopilot.batch.repaired"
    BATCH_QUARANTINED = "autopilot.batch.quarantined"
    BATCH_REJECTED = "autopilot.batch.rejected"
    SOURCE_SWITCHED = "autopilot.source.switched"
    DRIFT_DETECTED = "autopilot.drift.detected"
    QUALITY_DROPPED = "autopilot.quality.dropped"
    MODEL_PUBLISHED = "autopilot.model.published"
    RELEASE_COMMITTED = "autopilot.release.committed"
    CANARY_ABORTED = "autopilot.canary.aborted"
    GATEWAY_PROBLEM = "autopilot.gateway.problem"
    INCIDENT_OPENED = "autopilot.incident.opened"
    INCIDENT_RECOVERED = "autopilot.incident.recovered"
    INCIDENT_ESCALATED = "autopilot.incident.escalated"
    INCIDENT_DISMISSED = "autopilot.incident.dismissed"
    RETRAIN_FINISHED = "autopilot.retrain.finished"
    RENEWAL_DUE = "autopilot.renewal.due"


# The cause of an event whose payload names none, such as one that a person emits by hand.
_DEFAULT_CAUSES: Mapping[str, Cause] = {
    EventName.DRIFT_DETECTED: Cause.DATA_DRIFT,
    EventName.QUALITY_DROPPED: Cause.QUALITY_DROP,
    EventName.CANARY_ABORTED: Cause.BAD_CANDIDATE,
}


class EventEvidence(BaseModel):
    """An event as a parameter of a flow run. The deployment's trigger fills it in."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    name: str
    occurred: AwareDatetime
    payload: dict[str, JsonValue] = Field(default_factory=dict)

    def evidence(self, pipeline: str) -> Evidence | None:
        """The evidence in the event; None for an event that only asks `heal` to run, such as a finished retrain.

        A cause that this version does not have becomes `unknown`, which the default policy escalates.
        """
        cause = self._cause()
        if cause is None:
            return None
        facts = self.payload.get("facts")
        return Evidence(
            pipeline=pipeline,
            cause=cause,
            subject=str(self.payload.get("subject") or pipeline),
            observer=f"event:{self.name}",
            observed_at=self.occurred,
            summary=str(self.payload.get("summary") or self.name),
            facts=facts if isinstance(facts, dict) else {},
        )

    def _cause(self) -> Cause | None:
        named = self.payload.get("cause")
        if named is None:
            return _DEFAULT_CAUSES.get(self.name)
        return known_cause(str(named))


def emit(name: EventName, pipeline: str, payload: Mapping[str, object]) -> None:
    """Send the event to Prefect in the background, without waiting for success. Without an API it is only logged."""
    resource = {"prefect.resource.id": f"autopilot.pipeline.{pipeline}", "prefect.resource.name": pipeline}
    sent = emit_event(event=name.value, resource=resource, payload=dict(payload))
    log.info("event_emitted", name=name.value, pipeline=pipeline, sent=sent is not None, payload=dict(payload))


def payload_of(evidence: Evidence) -> dict[str, object]:
    """The evidence as an event payload, in the form that `EventEvidence.evidence` reads."""
    return {
        "cause": evidence.cause.value,
        "subject": evidence.subject,
        "summary": evidence.summary,
        "facts": dict(evidence.facts),
    }
