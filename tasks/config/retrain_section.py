"""What a pipeline says about retraining."""

from pydantic import Field

from tasks.config.section import Section


class Retrain(Section):
    """What a candidate learns from, and on what it meets the champion."""

    lookback_days: int = Field(default=63, ge=1, description="Days before the held-out ones to learn from.")
    holdout_days: int = Field(default=14, ge=1, description="The latest days with labels, for the comparison.")
    rows_min: int = Field(default=5000, ge=1, description="Fewer labelled rows are refused.")
