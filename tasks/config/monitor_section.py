"""The section `monitor:` of a pipeline: windows, thresholds of the checks, and when the monitor acts."""

from typing import Literal

from pydantic import Field

from tasks.config.section import Section


class Monitor(Section):
    """Which windows the monitor's checks judge, from which thresholds they fail, and when a failure leads to action.

    An `alpha` is a false-alarm rate per window: a smaller one makes the check slower and its failures more certain.
    """

    reference_days: int = Field(
        default=28, ge=7, description="Days: the last training and acceptance days, with which windows are compared."
    )
    window_days: int = Field(default=7, ge=1, description="Days: length of a window of inputs and predictions.")
    quality_window_days: int = Field(default=14, ge=7, description="Days: length of a window of labelled losses.")
    rows_min: int = Field(default=1000, ge=1, description="Rows: a window with fewer is INCONCLUSIVE.")
    rows_max: int = Field(
        default=100_000, ge=1, description="Rows of a window that are read at most. Of more, each day keeps its share."
    )
    label_coverage_min: float = Field(
        default=0.8, gt=0, le=1, description="Share of rows with labels below which a day, and a window, is not judged."
    )
    loss_increase_tolerated: float = Field(
        default=0.02,
        ge=0,
        description="Nats per row (or label variances): increase of the excess loss that does not matter.",
    )
    quality_alpha: float = Field(
        default=0.05, gt=0, le=0.5, description="False-alarm rate of `quality`, and of `estimate`, per window."
    )
    drift_alpha: float = Field(
        default=0.02, gt=0, le=0.5, description="Family-wise false-alarm rate of drift, over all columns of a window."
    )
    drift_distance_min: float = Field(
        default=0.1,
        ge=0,
        description="Distance (standard deviations, or Jensen-Shannon in nats) below which a column never drifts.",
    )
    data_alpha: float = Field(
        default=0.01, gt=0, le=0.5, description="Family-wise false-alarm rate of `data`, over all columns and faults."
    )
    missing_increase_tolerated: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Share of rows: rise of missing, unseen or out-of-range values that does not matter.",
    )
    serving_days: int = Field(
        default=14, ge=1, description="Days of answered requests with which the newest hours or days are compared."
    )
    serving_requests_min: int = Field(
        default=20, ge=1, description="Requests: an hour or day with fewer is left out for latency and failures."
    )
    persistence_windows: int = Field(default=3, ge=1, description="Windows: the n of m-of-n persistence.")
    persistence_failed: int = Field(default=2, ge=1, description="Windows: the m of n that must FAIL before action.")
    cooldown_days: int = Field(
        default=14, ge=0, description="Days without further action after a model was accepted, and after an action."
    )
    reports: Literal["failed", "every"] = Field(
        default="failed",
        description="Which runs write a report of distributions: those in which a check failed that it explains, or "
        "every run, which takes about ten seconds longer.",
    )
    reports_kept: int = Field(
        default=20,
        ge=1,
        description="HTML reports, and snapshots for Evidently, that are kept; older ones are deleted.",
    )
    reports_days: int = Field(default=90, ge=1, description="Days after which an HTML report is deleted.")
