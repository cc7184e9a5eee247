"""The promise of a drill: its indicator, and the limits within which the system has to recover.

It is the extension `autopilot` of the experiment file: the file stays plain Chaos Toolkit, and the journal contains the
promise.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["DrillSpec", "FlowEnd", "Indicator", "Limits", "spec_of"]

EXTENSION = "autopilot"


class Indicator(StrEnum):
    """What a user would observe."""

    REQUESTS = "requests"  # predictions are answered, correctly and by the champion
    BATCH = "batch"  # the day that became due is in the lake
    FLOW = "flow"  # the retrain or release that was started has done its work


class FlowEnd(StrEnum):
    """How a retrain or release ends that a drill disturbs."""

    PROMOTED = "promoted"
    NOT_BETTER = "not_better"  # a comparison blocks the candidate


class Limits(BaseModel):
    """A drill that stays within all of these passes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recovery_seconds: float = Field(gt=0, description="Time to recover, at most.")
    detection_seconds: float | None = Field(
        default=None, gt=0, description="Time to detect, at most; not limited when absent."
    )
    mitigation_seconds: float | None = Field(
        default=None, gt=0, description="Time to mitigate, at most; not limited when absent."
    )
    answer_seconds: float | None = Field(
        default=None, gt=0, description="A correct answer that takes longer counts as degraded."
    )
    hold_seconds: float = Field(
        default=0, ge=0, description="How long service has to hold before it counts as recovered."
    )
    slo: float = Field(
        default=0.99, gt=0, le=1, description="Share of requests that have to be served; a fallback counts."
    )
    window_seconds: float = Field(default=1, gt=0, description="Window over which the share is taken.")
    requests_min: int = Field(default=0, ge=0, description="With fewer requests, the drill is a harness failure.")
    failed_max: int = Field(default=0, ge=0, description="Requests that may fail.")
    wrong_max: int = Field(default=0, ge=0, description="Requests that may be answered wrongly.")


class DrillSpec(BaseModel):
    """The extension `autopilot` of an experiment file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    tier: str = Field(default="stack", description="What the drill needs to run: serving, data or stack.")
    indicator: Indicator
    fault: bool = Field(default=True, description="False for a drill that breaks nothing; it must open no incident.")
    proven_in_turn: bool = Field(
        default=False, description="The faults are proven one after the other; the drill begins with the first."
    )
    deadline_seconds: float = Field(gt=0, description="The whole drill takes no longer, or it is stopped.")
    causes: tuple[str, ...] = Field(default=(), description="Incident causes that count as detection; any when empty.")
    further_causes: tuple[str, ...] = Field(
        default=(), description="Causes that are also true; an incident of them is no wrong diagnosis."
    )
    remedies: tuple[str, ...] = Field(default=(), description="One of these must have been used; any when empty.")
    forbidden_remedies: tuple[str, ...] = Field(
        default=(), description="Remedies that would be wrong, such as a rollback when the network is at fault."
    )
    reflex: bool = Field(default=False, description="The gateway heals this by itself; no incident is needed.")
    unaffected: bool = Field(
        default=False,
        description="Clients must not notice the fault: no answer is degraded, failed or wrong. With `causes`, an "
        "incident of one of them is needed all the same.",
    )
    unhealable: bool = Field(
        default=False,
        description="Nothing heals it: the drill has to report that service was not restored, that a remedy was tried, "
        "and that people were notified.",
    )
    quiet: bool = Field(default=False, description="What is done is harmless; it must open no incident.")
    needs: tuple[str, ...] = Field(
        default=(),
        description="What the drill needs besides its tier: feed, mirror, proxy, files or database (as a source), "
        "registry_link (an MLflow server behind the proxy), growing_model (a gateway that trusts its class), or clock "
        "(one that can be set).",
    )
    ablations: tuple[str, ...] = Field(default=(), description="Remedies that can be switched off for the drill.")
    substitutes: tuple[str, ...] = Field(
        default=(), description="Remedies that would do instead, switched off together with each of `ablations`."
    )
    limits: Limits


def spec_of(experiment: Mapping[str, Any]) -> DrillSpec:
    """The promise in an experiment; ValueError when there is none, pydantic.ValidationError when it is wrong."""
    for extension in experiment.get("extensions", ()):
        if extension.get("name") == EXTENSION:
            return DrillSpec.model_validate(extension["drill"])
    raise ValueError(f"expected an extension named {EXTENSION!r} in the experiment, found none; see docs/drills.md")
