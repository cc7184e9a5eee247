"""What a pipeline says about rollouts."""

from dataclasses import replace
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from healing.release import WEIGHT_STEPS, Mode
from healing.trial_rules import DEFAULT_RULES, TrialCheck, TrialRules
from tasks.config.section import Section


class Strategy(StrEnum):
    """How a challenger's share of traffic grows."""

    CANARY = "canary"  # step by step
    BLUE_GREEN = "blue_green"  # from shadow to all of it at once


class WhenInconclusive(StrEnum):
    """What becomes of a stage that its deadline and hold left undecided."""

    ABORT = "abort"
    PROMOTE = "promote"  # it counts as passed
    ASK = "ask"  # a person decides


class Approval(StrEnum):
    """Which versions wait for a person before they answer users."""

    MAJOR = "major"  # those whose major number is above the champion's
    ALWAYS = "always"
    NEVER = "never"


class Stage(Section):
    """One step of a rollout. Seconds count from when the gateway took the stage up."""

    mode: Mode = Mode.CANARY
    weight: float = Field(gt=0, le=1, description="Share of requests, in steps of 0.001.")
    requests_min: int = Field(
        default=150, ge=1, description="Challenger's requests (shadow: rows) before it may go on."
    )
    seconds_min: float = Field(default=0.0, ge=0, description="It goes on no sooner.")
    deadline_seconds: float = Field(default=90.0, gt=0, description="Without a decision by then, the stage is held.")
    hold_seconds: float = Field(default=30.0, ge=0, description="Held, and still watched, for that long; then settled.")

    @field_validator("weight")
    @classmethod
    def _is_in_steps(cls, weight: float) -> float:
        if abs(weight * WEIGHT_STEPS - round(weight * WEIGHT_STEPS)) > 1e-6:
            raise ValueError(f"a weight is a multiple of {1 / WEIGHT_STEPS:g}, found {weight}")
        return weight


SHADOW = Stage(mode=Mode.SHADOW, weight=1.0, requests_min=200)
_STAGES = {
    Strategy.CANARY: (SHADOW, *(Stage(weight=weight) for weight in (0.05, 0.25, 0.5, 1.0))),
    Strategy.BLUE_GREEN: (SHADOW, Stage(weight=1.0)),
}


class ReleaseRules(Section):
    """Stages, tolerances, votes, and where a person decides."""

    strategy: Strategy = Strategy.CANARY
    stages: tuple[Stage, ...] = Field(default=(), description="Instead of the strategy's own.")
    on_inconclusive: WhenInconclusive = Field(
        default=WhenInconclusive.ABORT, description="Too little evidence by deadline and hold."
    )
    on_no_data: WhenInconclusive = Field(
        default=WhenInconclusive.ABORT, description="Not one request for the challenger by then."
    )
    approval: Approval = Approval.MAJOR
    approval_seconds_max: int = Field(default=86_400, ge=1, description="Nobody's answer by then is a refusal.")
    rollback_window_days: float = Field(
        default=7.0, ge=0, description="A model that was champion so lately, and served well, skips the stages."
    )
    watch_days: int = Field(default=14, ge=0, description="For so long a new champion is compared with the one before.")

    checks: dict[TrialCheck, Literal["vote", "show"]] = Field(
        default_factory=dict, description="vote: may end the trial; show: computed and shown only."
    )
    alpha: float = Field(
        default=DEFAULT_RULES.alpha, gt=0, lt=1, description="Chance that a sound challenger's whole trial is aborted."
    )
    error_rate_tolerated: float = Field(
        default=DEFAULT_RULES.error_rate_tolerated,
        gt=0,
        lt=1,
        description="To go on, as much or more is to be rejected.",
    )
    error_ratio_tolerated: float = Field(
        default=DEFAULT_RULES.error_ratio_tolerated, ge=1, description="Challenger's error rate over the champion's."
    )
    slow_factor: float = Field(
        default=DEFAULT_RULES.slow_factor, gt=1, description="Slower than this multiple of the champion's p99 is slow."
    )
    slow_ratio_tolerated: float = Field(
        default=DEFAULT_RULES.slow_ratio_tolerated, ge=1, description="Challenger's share of slow over the champion's."
    )
    slow_rate_tolerated: float = Field(
        default=DEFAULT_RULES.slow_rate_tolerated, gt=0, lt=1, description="Share of slow, in shadow and at weight 1."
    )
    outside_rate_tolerated: float = Field(
        default=DEFAULT_RULES.outside_rate_tolerated,
        gt=0.1,
        lt=1,
        description="Share of its answers in one tenth of the range that its training said they would spread over.",
    )
    disagreement_rate_tolerated: float = Field(
        default=DEFAULT_RULES.disagreement_rate_tolerated,
        gt=0,
        lt=1,
        description="Share of answers far from those given.",
    )
    quality_increase_tolerated: float = Field(
        default=DEFAULT_RULES.quality_increase_tolerated,
        ge=0,
        description="Loss above the champion's on the same rows, in variances of the label.",
    )

    quality_block_seconds: float = Field(
        default=DEFAULT_RULES.quality_block_seconds, gt=0, description="Rows asked within it are one observation."
    )

    @model_validator(mode="before")
    @classmethod
    def _take_the_stages_of_the_strategy(cls, found: Any) -> Any:
        if not isinstance(found, dict):
            return found
        strategy = found.get("strategy", Strategy.CANARY)
        if "stages" not in found and strategy in set(Strategy):
            return {**found, "stages": _STAGES[Strategy(strategy)]}
        if strategy == Strategy.BLUE_GREEN:
            raise ValueError(
                "blue_green has its own stages, shadow and all; leave stages out, or write strategy: canary"
            )
        return found

    @model_validator(mode="after")
    def _goes_up(self) -> Self:
        if not self.stages:
            raise ValueError("stages needs one or more; leave it out for those of the strategy")
        steps = [(stage.mode is Mode.CANARY, stage.weight) for stage in self.stages]
        if steps != sorted(set(steps)):
            raise ValueError("stages go up: shadow first, then canary, each with a larger weight than the one before")
        return self

    @property
    def trial_rules(self) -> TrialRules:
        """What is written into the release log with every stage, so that all who judge the trial judge alike."""
        votes = {check for check in TrialCheck if self.checks.get(check, _default_vote(check)) == "vote"}
        return replace(
            DEFAULT_RULES,
            alpha=self.alpha,
            error_ratio_tolerated=self.error_ratio_tolerated,
            error_rate_tolerated=self.error_rate_tolerated,
            slow_factor=self.slow_factor,
            slow_ratio_tolerated=self.slow_ratio_tolerated,
            slow_rate_tolerated=self.slow_rate_tolerated,
            outside_rate_tolerated=self.outside_rate_tolerated,
            disagreement_rate_tolerated=self.disagreement_rate_tolerated,
            quality_increase_tolerated=self.quality_increase_tolerated,
            quality_block_seconds=self.quality_block_seconds,
            votes=frozenset(votes),
        )

    def stage_of(self, mode: Mode, weight: float) -> int | None:
        """Place of the stage with this mode and weight, None when there is none any more."""
        same = (place for place, stage in enumerate(self.stages) if (stage.mode, stage.weight) == (mode, weight))
        return next(same, None)


def _default_vote(check: TrialCheck) -> str:
    return "vote" if check in DEFAULT_RULES.votes else "show"
