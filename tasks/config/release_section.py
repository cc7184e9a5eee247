"""What a pipeline says about rollouts."""

from pydantic import Field

from healing.release import Mode
from tasks.config.section import Section


class Stage(Section):
    """One step of a rollout."""

    mode: Mode = Mode.CANARY
    weight: float = Field(gt=0, le=1, description="Share of requests, in steps of 0.001.")
    requests_min: int = Field(default=150, ge=1, description="Challenger's requests before it may go on.")
    deadline_seconds: float = Field(default=90.0, gt=0, description="Without a decision by then, the trial ends.")


class ReleaseRules(Section):
    stages: tuple[Stage, ...] = (Stage(weight=0.05),)
    error_rate_tolerated: float = Field(default=0.02, gt=0, lt=1)
    alpha: float = Field(default=0.001, gt=0, lt=1, description="False-alarm probability of a whole trial.")
