"""What `pipeline.yaml` may say of a batch that breaks its contract: which repairs, how far, and what is an incident."""

from enum import StrEnum
from typing import Any

from pydantic import Field, field_validator

from tasks.config.section import Section


class Repair(StrEnum):
    """What may be mended. Everything else is set aside."""

    RENAME = "rename"  # a column has a wrong name that the table lists
    CAST = "cast"  # a value is written in another way and means one thing only
    CONVERT = "convert"  # a whole column is in another unit that the table lists
    IMPUTE = "impute"  # a value is missing in a column that the table lists
    DROP_DUPLICATES = "drop_duplicates"  # a row came more than once


# Shares of a batch's rows. Imputed rows are made up, so few; of a batch that came twice the half is too much.
_SHARES_MAX = {Repair.IMPUTE: 0.05, Repair.DROP_DUPLICATES: 0.5}


class Contract(Section):
    """What is done about a batch that breaks it."""

    max_null_share: float = Field(default=0.05, gt=0, le=1, description="More missing values are an incident.")
    max_bad_share: float = Field(default=0.05, gt=0, le=1, description="More bad rows of any kind are an incident.")
    max_duplicate_share: float = Field(default=0.05, gt=0, le=1, description="More rows that repeat are an incident.")
    reject_share: float = Field(default=0.5, gt=0, le=1, description="With more bad rows nothing of it is taken.")
    repairs: dict[Repair, float] = Field(
        default={Repair.RENAME: 1.0, Repair.DROP_DUPLICATES: 0.5},
        description="Repairs that policy allows: a list, or the share of a batch's rows that each may change.",
    )
    stale_after_days: int | None = Field(
        default=None, ge=1, description="Without a new batch for that long the data are stale; unset never asks."
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
