"""Result of a step of a remedy."""

from dataclasses import dataclass

from healing.incident import AttemptOutcome
from healing.release import Release


@dataclass(frozen=True, slots=True)
class RemedyResult:
    """Outcome of applying, resuming or verifying a remedy.

    RUNNING means that the remedy continues and that a later `heal` reads its result. `flow_run_id` is the flow run that
    was started for it, `release` the release that the remedy wrote.
    """

    outcome: AttemptOutcome
    note: str
    flow_run_id: str | None = None
    release: Release | None = None
