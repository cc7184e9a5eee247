"""The `retrain` section of pipeline.yaml."""

from collections.abc import Iterable
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from tasks.config.section import Section

ParameterValue = str | bool | int | float | None
ROWS = "rows"


class Range(Section):
    """Values between two bounds, both included; whole numbers if both bounds are."""

    low: int | float = Field(description="Smallest value.")
    high: int | float = Field(description="Largest value.")
    scale: Literal["linear", "log"] = Field(
        default="linear", description="Distribution of the draws: uniform, or uniform in the logarithm."
    )

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low >= self.high or (self.scale == "log" and self.low <= 0):
            raise ValueError(
                f"expected a range with low < high, and above 0 on a log scale, found {self.low} and {self.high}"
            )
        return self

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)


class Search(Section):
    """A bounded parameter search: in each round the best third continues with three times as much of the resource."""

    parameters: dict[str, tuple[ParameterValue, ...] | Range] = Field(
        min_length=1, description="Values or ranges by parameter name, as in the estimator's get_params() (step__name)."
    )
    candidates_max: int = Field(
        default=9, ge=2, description="Parameter combinations to try, including the estimator as written."
    )
    seconds_max: float = Field(
        default=60.0, gt=0, description="Seconds after which no fit starts; the best so far is used."
    )
    resource: str = Field(
        default=ROWS, description="What early rounds get less of: 'rows', or a whole-number parameter."
    )
    share_max: float = Field(default=1.0, gt=0, le=1, description="Share of the resource in the last round.")
    latency_ms_max: float | None = Field(
        default=None,
        gt=0,
        description="Milliseconds of processor time in which a worker must answer one row, and 64 rows. What is slower "
        "is no candidate.",
    )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """The fields as plans name them: plans had keys before there was a budget."""
        return [each for each in super().__repr_args__() if each != ("latency_ms_max", None)]


class Retrain(Section):
    """What a candidate is trained on, how its parameters are searched, and what it is compared on."""

    lookback_days: int = Field(default=63, ge=1, description="Training days before the held-out days.")
    holdout_days: int = Field(
        default=14, ge=1, description="Newest labelled days, held out of training for the comparison."
    )
    every_days: int | None = Field(
        default=None,
        ge=1,
        description="Days of data after which the monitor starts a retrain (renewal by schedule); without it none.",
    )
    cost: float = Field(
        default=0.0,
        ge=0,
        description="What one retrain costs, in loss times rows (nats or variances, as in `autopilot backtest`). "
        "Postpones a renewal by schedule as far as the last one gained less; 0 postpones none.",
    )
    rows_min: int = Field(default=5000, ge=1, description="Training is refused with fewer labelled rows.")
    rows_max: int = Field(
        default=200_000,
        ge=1,
        description="Rows that a model is fitted on at most. Of more, each day and class keeps its share.",
    )
    holdout_rows_max: int = Field(
        default=100_000, ge=1, description="Held-out rows that models are compared on at most, chosen in the same way."
    )
    label_coverage_min: float = Field(
        default=0.8,
        ge=0,
        le=1,
        description="The newest days are left out while their share of labels is below this fraction of the median "
        "day's share.",
    )
    quarantined_share_max: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Training is refused if a larger share of a table's rows in the training days is in quarantine.",
    )
    segment_rows_min: int = Field(
        default=300, ge=1, description="A segment with fewer held-out rows is INCONCLUSIVE and blocks nothing."
    )
    worse_tolerated: float = Field(
        default=0.001,
        ge=0,
        description="Loss per row (nats or variances) by which a candidate may be worse than the champion (in each "
        "segment, too) or than the simple model.",
    )
    refit: bool = Field(
        default=True, description="Fit the accepted recipe again on all labelled rows, the held-out ones included."
    )
    refit_worse_tolerated: float = Field(
        default=0.006,
        ge=0,
        description="Loss per row by which the refit may be worse than the compared fit on the rows of both; beyond "
        "it, the compared fit is released.",
    )
    earlier_champions_max: int = Field(
        default=5,
        ge=0,
        description="Earlier champions, the newest ones, that are compared with the champion before a training: one "
        "that wins returns through a trial, and the training is spared. 0 compares none.",
    )
    threads: int = Field(
        default=1, ge=1, description="Threads of one fit. Another number changes the last digits of a model."
    )
    search: Search | None = Field(
        default=None, description="Parameters to try around the estimator; without this section none are tried."
    )
