"""How a remedy went, and starting one that takes minutes as a run of its own."""

from collections.abc import Mapping
from dataclasses import dataclass

from healing.incident import AttemptOutcome, Incident
from healing.release import Release
from tasks.runtime.flow_runs import start_run


@dataclass(frozen=True, slots=True)
class Applied:
    """How a remedy went. RUNNING with a flow run: it goes on there, and a later `heal` looks at how it ended."""

    outcome: AttemptOutcome
    note: str
    flow_run_id: str | None = None
    release: Release | None = None


def dispatched(deployment: str, parameters: Mapping[str, object], incident: Incident, attempt: int) -> Applied:
    """The key makes the start safe to repeat: a `heal` that died before it wrote the run down finds the same run."""
    run = start_run(deployment, parameters, idempotency_key=f"{incident.id}/{attempt}")
    return Applied(AttemptOutcome.RUNNING, f"run of {deployment}", flow_run_id=run)
