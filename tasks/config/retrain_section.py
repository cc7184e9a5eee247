"""What a pipeline says about retraining."""

from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.config.section import Section

Setting = str | bool | int | float | None
ROWS = "rows"


class Range(Section):
    """Values between two bounds, both included; whole numbers where both bounds are."""

    low: int | float = Field(description="The smallest value.")
    high: int | float = Field(description="The largest value.")
    scale: Literal["linear", "log"] = Field(default="linear", description="How draws spread: evenly, or by factors.")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low >= self.high or (self.scale == "log" and self.low <= 0):
            raise ValueError(f"a range needs low < high, above 0 on a log scale, found {self.low} and {self.high}")
        return self

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)


class Search(Section):
    """A bounded search: of the settings that are tried a third goes on, with three times as much of the resource."""

    parameters: dict[str, tuple[Setting, ...] | Range] = Field(
        min_length=1, description="Values or ranges, by the estimator's own parameter names (step__name)."
    )
    candidates_max: int = Field(default=9, ge=2, description="Settings tried, the estimator as written among them.")
    seconds_max: float = Field(default=60.0, gt=0, description="No fit is begun after that; the best so far is taken.")
    resource: str = Field(
        default=ROWS, description="What early rounds have less of: rows, or a whole-number parameter."
    )
    share_max: float = Field(default=1.0, gt=0, le=1, description="How much of the resource the last round has.")


class Retrain(Section):
    """What a candidate learns from, how it is searched for, and on what it meets its rivals."""

    lookback_days: int = Field(default=63, ge=1, description="Days before the held-out ones to learn from.")
    holdout_days: int = Field(default=14, ge=1, description="The latest days with labels, for the comparison.")
    rows_min: int = Field(default=5000, ge=1, description="Fewer labelled rows are refused.")
    label_coverage_min: float = Field(
        default=0.8, ge=0, le=1, description="Newest days with a smaller share of the usual labels are left out."
    )
    quarantined_share_max: float = Field(
        default=0.05, ge=0, le=1, description="More of the window's rows in quarantine are refused."
    )
    segment_rows_min: int = Field(default=300, ge=1, description="A smaller segment is INCONCLUSIVE.")
    worse_tolerated: float = Field(
        default=0.001, ge=0, description="Loss a row by which a segment, or all against a simple model, may be worse."
    )
    threads: int = Field(
        default=1, ge=1, description="A fit's own threads. Their number decides the last bits of a model."
    )
    search: Search | None = Field(default=None, description="What to try around the estimator; nothing when unset.")
