"""What a drill promises: which indicator it watches, and within which limits the system has to recover.

It stands in the experiment file as the extension `autopilot`, so the file stays plain Chaos Toolkit and the journal
carries the promise that it was judged by.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

EXTENSION = "autopilot"


class Indicator(StrEnum):
    """What a user would notice."""

    REQUESTS = "requests"  # predictions are answered, rightly and in full
    BATCH = "batch"  # the day that became due is in the lake


class Limits(BaseModel):
    """A drill that stays within all of these has passed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recovery_seconds: float = Field(gt=0, description="Time to recover, at most.")
    hold_seconds: float = Field(default=0, ge=0, description="How long service has to hold to count as recovered.")
    slo: float = Field(default=0.99, gt=0, le=1, description="Share of requests to be served, a fallback counts.")
    window_seconds: float = Field(default=1, gt=0, description="Window over which the share is taken.")
    requests_min: int = Field(default=0, ge=0, description="Fewer requests prove nothing.")
    failed_max: int = Field(default=0, ge=0, description="Requests that may fail.")
    wrong_max: int = Field(default=0, ge=0, description="Requests that may be answered wrongly.")


class DrillSpec(BaseModel):
    """The extension `autopilot` of an experiment file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    indicator: Indicator
    fault: bool = Field(default=True, description="False for a drill that breaks nothing and must raise no incident.")
    deadline_seconds: float = Field(gt=0, description="The whole drill takes no longer, or it is stopped.")
    causes: tuple[str, ...] = Field(default=(), description="Incident causes that count as detection; any when empty.")
    ablations: Mapping[str, str] = Field(
        default_factory=dict, description="Remedies that can be switched off, each with its Prefect deployment."
    )
    limits: Limits


def spec_of(experiment: Mapping[str, Any]) -> DrillSpec:
    """The promise in an experiment; ValueError when there is none, pydantic.ValidationError when it is wrong."""
    for extension in experiment.get("extensions", ()):
        if extension.get("name") == EXTENSION:
            return DrillSpec.model_validate(extension["drill"])
    raise ValueError(f"expected an extension named {EXTENSION!r} in the experiment, found none; see docs/drills.md")
