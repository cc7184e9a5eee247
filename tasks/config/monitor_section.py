"""What a pipeline says about monitoring."""

from pydantic import Field

from tasks.config.section import Section


class Monitor(Section):
    """What is compared with what, and how sure is sure."""

    reference_days: int = Field(default=28, ge=7, description="Days of training data that say what is usual.")
    window_days: int = Field(default=7, ge=1, description="Days whose inputs and answers are judged together.")
    quality_window_days: int = Field(default=14, ge=7, description="Days whose losses are judged together.")
    rows_min: int = Field(default=1000, ge=1, description="A smaller window is INCONCLUSIVE.")
    label_coverage_min: float = Field(default=0.8, gt=0, le=1, description="Labels for less prove nothing, nor a day.")
    loss_increase_tolerated: float = Field(default=0.02, ge=0, description="Log-loss above the reference's.")
    persistence_windows: int = Field(default=3, ge=1, description="n of m-of-n: the latest windows looked at.")
    persistence_failed: int = Field(default=2, ge=1, description="m of m-of-n: this many of them must FAIL.")
    cooldown_days: int = Field(default=14, ge=0, description="After a new model, no other for that long.")
    missing_increase_tolerated: float = Field(
        default=0.05, ge=0, le=1, description="Share of rows by which missing, unknown or wild values may rise."
    )
    serving_days: int = Field(default=14, ge=1, description="Days of answered requests that say what is usual.")
    reports_kept: int = Field(default=20, ge=1, description="HTML reports; older ones are deleted.")
    reports_days: int = Field(default=90, ge=1, description="Days after which an HTML report is deleted.")
