"""The section `contract:` of pipeline.yaml: which repairs are allowed and how far, and which shares are an incident."""

from enum import StrEnum
from typing import Any

from pydantic import Field, field_validator

from tasks.config.section import Section


class Repair(StrEnum):
    """A repair of a batch. What no repair can change is quarantined."""

    RENAME = "rename"  # a column has a wrong name that the table lists
    CAST = "cast"  # a value is in another notation that has only one meaning
    CONVERT = "convert"  # a whole column is in another unit that the table lists
    IMPUTE = "impute"  # a value is missing in a column that the table lists
    DROP_DUPLICATES = "drop_duplicates"  # a row is repeated


# Shares of a batch's rows. Imputed values are invented, so few; if a batch came twice, half of its rows are repeated.
_SHARES_MAX = {Repair.IMPUTE: 0.05, Repair.DROP_DUPLICATES: 0.5}


class Contract(Section):
    """What is an incident of a batch, and what is done about it. All shares are shares of one batch's rows."""

    max_null_share: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="Limit for the share of missing values in a required column; a larger share is an incident.",
    )
    max_bad_share: float = Field(
        default=0.05, gt=0, le=1, description="Limit for the share of bad rows; a larger share is an incident."
    )
    max_duplicate_share: float = Field(
        default=0.05, gt=0, le=1, description="Limit for the share of repeated rows; a larger share is an incident."
    )
    reject_share: float = Field(
        default=0.5, gt=0, le=1, description="With a larger share of bad rows, no row of the batch is accepted."
    )
    dropped_null_share: float = Field(
        default=0.95,
        gt=0,
        le=1,
        description="An optional column with more missing values counts as dropped, and the batch is rejected.",
    )
    sparse_null_share: float = Field(
        default=0.7,
        gt=0,
        le=1,
        description="A column that misses this share on a usual day is sparse, and never counts as dropped.",
    )
    gap_null_share: float = Field(
        default=0.15,
        gt=0,
        le=1,
        description="Up to this share, missing values of an optional column are never an incident.",
    )
    gap_ratio: float = Field(
        default=2.0,
        ge=1,
        description="Missing values of an optional column are an incident above this multiple of the share on the "
        "worst usual day.",
    )
    share_rows_min: int = Field(
        default=10, ge=1, description="With fewer rows, missing values of optional columns are not checked."
    )
    determined_tolerance: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="Relative difference up to which a number matches the value that other columns determine.",
    )
    convert_rows_min: int = Field(
        default=30, ge=1, description="With fewer known values in a batch, no column is converted from another unit."
    )
    history_weeks: int = Field(
        default=4, ge=1, le=52, description="Weeks before a batch that its row count and its content are compared with."
    )
    history_weekdays_min: int = Field(
        default=2, ge=1, description="With fewer known days of the same weekday, the row count is not checked."
    )
    repairs: dict[Repair, float] = Field(
        default={Repair.RENAME: 1.0, Repair.DROP_DUPLICATES: 0.5},
        description="Allowed repairs: a list, or a map to the share of a batch's rows that each may change.",
    )
    stale_after_days: int | None = Field(
        default=None,
        ge=1,
        description="Days without a new batch after which the data are stale; without it, that is not checked.",
    )

    @field_validator("repairs", mode="before")
    @classmethod
    def _with_shares(cls, found: Any) -> Any:
        if isinstance(found, list | tuple):
            return {name: _SHARES_MAX.get(Repair(name), 1.0) for name in found}
        return found

    @field_validator("repairs")
    @classmethod
    def _are_shares(cls, repairs: dict[Repair, float]) -> dict[Repair, float]:
        for name, share in repairs.items():
            if not 0 < share <= 1:
                raise ValueError(f"repairs.{name}: expected a share of rows in (0, 1], found {share}")
        return repairs

    def share_max(self, repair: Repair) -> float:
        """The share of a batch's rows that the repair may change; 0 where it is not allowed."""
        return self.repairs.get(repair, 0.0)
