"""Section `release` of pipeline.yaml: stages, tolerances, votes and approvals of a rollout."""

from dataclasses import replace
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from healing.release import WEIGHT_STEPS, Mode
from healing.trial_rules import DEFAULT_RULES, TrialCheck, TrialRules
from tasks.config.ab_section import ABSection
from tasks.config.section import Section


class Strategy(StrEnum):
    """How a challenger's share of traffic grows."""

    CANARY = "canary"  # step by step
    BLUE_GREEN = "blue_green"  # from shadow to all of it at once


class WhenInconclusive(StrEnum):
    """What happens to a stage that deadline and hold left without a decision."""

    ABORT = "abort"
    PROMOTE = "promote"  # the stage counts as passed
    ASK = "ask"  # a person decides


class ApprovalRule(StrEnum):
    """Which versions need a person's approval before they answer users."""

    MAJOR = "major"  # those whose major number is higher than the champion's
    ALWAYS = "always"
    NEVER = "never"


class Stage(Section):
    """One step of a rollout. Seconds count from when the gateway first serves the stage."""

    mode: Mode = Field(
        default=Mode.CANARY,
        description="shadow: the challenger scores copies of requests and answers none; canary: it answers its share.",
    )
    weight: float = Field(
        gt=0, le=1, description="Challenger's share of requests (shadow: of copies), from 0.001 to 1 in steps of 0.001."
    )
    requests_min: int = Field(
        default=150,
        ge=1,
        description="Requests (shadow: copies) that the challenger needs before the stage passes.",
    )
    seconds_min: float = Field(default=0.0, ge=0, description="Seconds that the stage lasts at least.")
    deadline_seconds: float = Field(
        default=90.0, gt=0, description="Seconds after which a stage without a decision is held."
    )
    hold_seconds: float = Field(
        default=30.0,
        ge=0,
        description="Seconds of the hold: the stage is still observed, then on_inconclusive or on_no_data applies.",
    )

    @field_validator("weight")
    @classmethod
    def _is_in_steps(cls, weight: float) -> float:
        if abs(weight * WEIGHT_STEPS - round(weight * WEIGHT_STEPS)) > 1e-6:
            raise ValueError(f"expected a multiple of {1 / WEIGHT_STEPS:g} as weight, found {weight}")
        return weight


SHADOW = Stage(mode=Mode.SHADOW, weight=1.0, requests_min=200)
_STAGES = {
    Strategy.CANARY: (SHADOW, *(Stage(weight=weight) for weight in (0.05, 0.25, 0.5, 1.0))),
    Strategy.BLUE_GREEN: (SHADOW, Stage(weight=1.0)),
}


class ReleaseRules(Section):
    """Stages, tolerances, votes and approvals of every rollout of the pipeline."""

    strategy: Strategy = Field(
        default=Strategy.CANARY,
        description="canary: shadow, then 5, 25, 50 and 100 % of requests; blue_green: shadow, then 100 %.",
    )
    stages: tuple[Stage, ...] = Field(
        default=(), description="Stages of your own instead of the strategy's: shadow first, then growing weights."
    )
    on_inconclusive: WhenInconclusive = Field(
        default=WhenInconclusive.ABORT,
        description="After deadline and hold with too little evidence: abort, promote, or ask a person.",
    )
    on_no_data: WhenInconclusive = Field(
        default=WhenInconclusive.ABORT,
        description="After deadline and hold without any request: abort, promote, or ask a person.",
    )
    approval: ApprovalRule = Field(
        default=ApprovalRule.MAJOR,
        description="Which versions need a person's approval before they answer users: major, always or never.",
    )
    approval_seconds_max: int = Field(
        default=86_400, ge=1, description="Seconds to wait for a person's answer; then the answer is no."
    )
    rollback_window_days: float = Field(
        default=7.0,
        ge=0,
        description="Days in which a former champion that served well may serve again without stages.",
    )
    watch_days: int = Field(
        default=14, ge=0, description="Days in which a new champion is compared with the one before."
    )
    ab: ABSection = Field(default=ABSection(), description="Rules of A/B tests (ab.md).")

    checks: dict[TrialCheck, Literal["vote", "show"]] = Field(
        default_factory=dict,
        description="Per check: vote means that it may abort the trial, show that it is only shown.",
    )
    alpha: float = Field(
        default=DEFAULT_RULES.alpha,
        gt=0,
        lt=1,
        description="Probability, at most, that the whole trial of a sound challenger is aborted.",
    )
    error_rate_tolerated: float = Field(
        default=DEFAULT_RULES.error_rate_tolerated,
        gt=0,
        lt=1,
        description="Challenger's error rate that a stage must reject before it passes, a share between 0 and 1.",
    )
    error_ratio_tolerated: float = Field(
        default=DEFAULT_RULES.error_ratio_tolerated,
        ge=1,
        description="Challenger's error rate divided by the champion's that is tolerated.",
    )
    slow_factor: float = Field(
        default=DEFAULT_RULES.slow_factor,
        gt=1,
        description="Multiple of the champion's p99 above which an answer is slow.",
    )
    slow_ratio_tolerated: float = Field(
        default=DEFAULT_RULES.slow_ratio_tolerated,
        ge=1,
        description="Challenger's share of slow answers divided by the champion's that is tolerated.",
    )
    slow_rate_tolerated: float = Field(
        default=DEFAULT_RULES.slow_rate_tolerated,
        gt=0,
        lt=1,
        description="Challenger's share of slow answers that is tolerated in shadow and at weight 1.",
    )
    outside_rate_tolerated: float = Field(
        default=DEFAULT_RULES.outside_rate_tolerated,
        gt=0.1,
        lt=1,
        description="Share of its answers that is tolerated in a range where a tenth is expected from held-out rows.",
    )
    disagreement_rate_tolerated: float = Field(
        default=DEFAULT_RULES.disagreement_rate_tolerated,
        gt=0,
        lt=1,
        description="Share of shadow answers that may be far from those that clients got.",
    )
    quality_increase_tolerated: float = Field(
        default=DEFAULT_RULES.quality_increase_tolerated,
        ge=0,
        description="Loss above the champion's on the same rows that is tolerated, in variances of the label.",
    )

    quality_block_seconds: float = Field(
        default=DEFAULT_RULES.quality_block_seconds,
        gt=0,
        description="Seconds per block: rows requested within one block depend on each other and are one observation.",
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
            raise ValueError("strategy blue_green has stages of its own; leave out stages, or write strategy: canary")
        return found

    @model_validator(mode="after")
    def _goes_up(self) -> Self:
        if not self.stages:
            raise ValueError("expected one stage or more, found none; leave stages out to use those of the strategy")
        steps = [(stage.mode is Mode.CANARY, stage.weight) for stage in self.stages]
        if steps != sorted(set(steps)):
            raise ValueError("expected shadow stages first, then canary stages, with growing weights in each mode")
        return self

    @property
    def trial_rules(self) -> TrialRules:
        """The trial rules, which the release log gets with every stage."""
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
        """Position of the stage with this mode and weight, None when the pipeline has none."""
        same = (place for place, stage in enumerate(self.stages) if (stage.mode, stage.weight) == (mode, weight))
        return next(same, None)


def _default_vote(check: TrialCheck) -> str:
    return "vote" if check in DEFAULT_RULES.votes else "show"
