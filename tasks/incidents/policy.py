"""The policy of a pipeline, applied to an incident and the attempts on record."""

from datetime import UTC, datetime

from healing.incident import Incident
from healing.policy import NextStep, Policy, next_step
from tasks.config.pipeline import Pipeline
from tasks.ledger.store import Ledger


def policy_of(config: Pipeline) -> Policy:
    """The default policy with the pipeline's own remedies."""
    return Policy().overridden(config.policy)


def decide(incident: Incident, policy: Policy, ledger: Ledger) -> NextStep:
    """The next step for an incident without a running attempt; counts the attempts of all incidents of its cause."""
    similar = [other for other in ledger.incidents(incident.pipeline) if other.cause is incident.cause]
    attempts = [attempt for other in similar for attempt in other.attempts]
    return next_step(incident, policy, datetime.now(UTC), attempts)
