"""Sections of pipeline.yaml for A/B tests: the outcomes that clients report, and the rules of a test."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from healing.ab_rules import LOSS, Better, Ends
from healing.release import WEIGHT_STEPS
from tasks.config.section import Section

_DAY_SECONDS = 86_400.0


class Outcome(Section):
    """A number that clients report for answered rows, such as revenue or clicks."""

    low: float = Field(
        allow_inf_nan=False, description="Lowest possible value; a lower one counts as this. Narrow bounds save days."
    )
    high: float = Field(allow_inf_nan=False, description="Highest possible value; a higher one counts as this.")
    better: Better = Field(default=Better.HIGHER, description="Which direction is an improvement: higher or lower.")
    absent: float | None = Field(
        default=None,
        description="Value of a row without feedback, such as 0 for revenue; without it such a row counts as unknown, "
        "anywhere between low and high.",
    )

    @model_validator(mode="after")
    def _has_bounds(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"expected low < high, found {self.low} and {self.high}")
        if self.absent is not None and not self.low <= self.absent <= self.high:
            raise ValueError(f"expected absent between {self.low} and {self.high}, found {self.absent}")
        return self


class ABSection(Section):
    """Defaults of `autopilot release --ab`."""

    outcome: str = Field(
        default=LOSS,
        description="What is compared: a name in `outcomes`, or loss, which is the loss of the served predictions on "
        "their labels.",
    )
    split: float = Field(
        default=0.5, gt=0, lt=1, description="Challenger's share of clients, in steps of 0.001, until the test ends."
    )
    effect_min: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Smallest improvement that matters, in the unit of the outcome; without it every improvement "
        "matters, and a test never finds that there is no difference.",
    )
    ends: Ends = Field(
        default=Ends.BY_PERSON,
        description="by_person: the test runs until a person ends it; when_decided: a better challenger is promoted, "
        "one that is worse or no different is aborted.",
    )
    days_max: float = Field(default=28.0, gt=0, le=365, description="Days after which release.on_inconclusive applies.")
    client_hours: float = Field(
        default=24.0,
        ge=0,
        description="Hours from a client's first request in which its requests count; it is one observation.",
    )
    outcome_hours: float = Field(
        default=24.0, ge=0, description="Hours after those in which labels or outcomes still count."
    )
    alpha: float = Field(
        default=0.05, gt=0, lt=1, description="Probability, at most, that the interval ever misses the true difference."
    )

    @field_validator("split")
    @classmethod
    def _is_in_steps(cls, split: float) -> float:
        if abs(split * WEIGHT_STEPS - round(split * WEIGHT_STEPS)) > 1e-6:
            raise ValueError(f"expected a multiple of {1 / WEIGHT_STEPS:g} as split, found {split}")
        return split

    @property
    def seconds_max(self) -> float:
        return self.days_max * _DAY_SECONDS

    def changed(self, changes: "ABChanges") -> "ABSection":
        """The section with what the order of one test says otherwise."""
        return ABSection.model_validate({**self.model_dump(), **changes.model_dump(exclude_none=True)})


class ABChanges(BaseModel):
    """What one A/B test has otherwise than `release.ab`; None where it has the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: str | None = None
    split: float | None = None
    effect_min: float | None = None
    ends: Ends | None = None
    days_max: float | None = None
