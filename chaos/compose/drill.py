"""One entry of the catalogue: what a drill breaks, under which load, and what the system promises."""

from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from chaos.faults.kinds import known_kinds
from chaos.spec import FlowEnd, Indicator, Limits

__all__ = [
    "CATALOGUE",
    "CatalogueDrill",
    "FaultEntry",
    "FlowEntry",
    "Tier",
    "WrongEntry",
    "read_catalogue",
    "read_drill",
]

CATALOGUE = Path(__file__).parents[1] / "catalogue"


class WrongEntry(ValueError):
    """A catalogue entry cannot be a drill. The message names the file and every fault in it."""


class Tier(StrEnum):
    """What a drill needs to run."""

    SERVING = "serving"  # a gateway, a healer and two models: seconds per trial
    DATA = "data"  # two sources, ingest runs and a healer: no gateway, no worker of Prefect
    STACK = "stack"  # the whole of `autopilot up`


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FaultEntry(_Part):
    """One fault: a kind of `chaos/faults/` and its arguments."""

    kind: str
    arguments: dict[str, Any] = {}
    when: Literal["attempt_started", "batch_recorded", "ingest_started"] | None = Field(
        default=None,
        description="Injected once the ledger says that a remedy has started, that a batch was committed or that an "
        "ingest began; else at once.",
    )

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.kind not in known_kinds():
            raise ValueError(f"expected a kind among {', '.join(sorted(known_kinds()))}, found {self.kind!r}")
        return self


class Load(_Part):
    """Requests in an open loop."""

    rate_per_second: float = Field(gt=0)
    requests_max: int = Field(gt=0)
    seconds_max: float = Field(gt=0)


class FlowEntry(_Part):
    """The retrain or release that a drill starts and disturbs."""

    name: Literal["retrain", "release"]
    parameters: dict[str, Any] = {}
    candidate: str = Field(default="", description="Variant of the champion that `release` releases.")
    ends: FlowEnd = FlowEnd.PROMOTED
    reached: Literal["retrain.compared", "rollout.stage_started"] | None = Field(
        default=None, description="Entry of the ledger's journal after which the faults are injected; else before it."
    )
    faults_until: Literal["retrain.finished"] | None = Field(
        default=None, description="The drill ends its faults after this entry; else once the work is done."
    )


class CatalogueDrill(_Part):
    """A drill. Its name is that of its file."""

    name: str
    title: str
    description: str
    tier: Tier
    tags: tuple[str, ...]
    suite: Literal["smoke", "full"] = Field(default="full", description="`make drills` runs smoke, by default.")
    indicator: Indicator
    faults: tuple[FaultEntry, ...] = ()
    fault_seconds_max: float = Field(default=240.0, gt=0, description="Time to live of each fault.")
    proof_seconds_max: float = Field(default=5.0, gt=0, description="Time in which the faults are proven active.")
    proven_in_turn: bool = Field(
        default=False,
        description="Each fault is proven active before the next one is injected; else all are, after the last one. "
        "The drill then begins with the first fault.",
    )
    due_day: Literal["before the faults", "after the faults"] | None = Field(
        default=None, description="When the source's next day becomes due, for a drill of a batch."
    )
    faults_last_seconds: float | None = Field(
        default=None,
        gt=0,
        description="The drill of a batch ends its faults after so long, before the batch is in. It counts from the "
        "start of the first remedy where `remedies` expects one.",
    )
    undisturbed: bool = Field(
        default=False,
        description="The due day's rows of all tables have to equal those of an ingest elsewhere without a fault.",
    )
    partly: bool = Field(default=False, description="The batch may come in without the rows that ingestion sets aside.")
    load: Load | None = None
    flow: FlowEntry | None = None
    needs: tuple[str, ...] = ()
    warm_fallbacks: int = Field(default=0, ge=0, description="So many fallbacks must be ready before the drill.")
    causes: tuple[str, ...] = ()
    further_causes: tuple[str, ...] = Field(default=(), description="Causes that are also true, and not needed.")
    remedies: tuple[str, ...] = Field(default=(), description="Remedies of which one must have been used.")
    forbidden_remedies: tuple[str, ...] = Field(default=(), description="Remedies that would be wrong.")
    reflex: bool = Field(default=False, description="The gateway heals this by itself; no incident is needed.")
    requests_before: int = Field(default=80, gt=0, description="So many requests are answered before the faults.")
    requests_during_fault: int = Field(
        default=0, ge=0, description="So many more requests are answered before the drill itself ends the faults."
    )
    logged: bool = Field(default=False, description="Every answer is in the prediction log afterwards.")
    unaffected: bool = Field(default=False, description="No client notices the faults while they last.")
    unhealable: bool = Field(
        default=False, description="Nothing heals it: a remedy has to be tried, and people have to be notified."
    )
    quiet: bool = Field(default=False, description="The change is harmless: no incident may be opened.")
    ablations: tuple[str, ...] = ()
    substitutes: tuple[str, ...] = Field(
        default=(), description="Remedies that would do instead, switched off together with each of `ablations`."
    )
    deadline_seconds: float = Field(gt=0)
    restored_seconds_max: float = Field(default=150.0, gt=0, description="How long the method waits for recovery.")
    restored_hold_seconds: float = Field(default=7.0, gt=0)
    limits: Limits

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.indicator is Indicator.REQUESTS and self.load is None:
            raise ValueError("expected `load` in a drill whose indicator is requests, found none")
        if self.flow is None and self.indicator is Indicator.FLOW:
            raise ValueError("expected `flow` in a drill whose indicator is flow, found none")
        if self.flow is not None and self.indicator not in (Indicator.FLOW, Indicator.BATCH):
            raise ValueError(f"expected no `flow` in a drill whose indicator is {self.indicator}, found {self.flow}")
        if self.flow is not None and (self.load is None or not self.faults):
            raise ValueError("expected `load` and faults beside `flow`")
        if self.indicator is Indicator.BATCH and self.due_day is None:
            raise ValueError("expected `due_day` in a drill whose indicator is batch, found none")
        if self.faults_last_seconds is not None and self.indicator is not Indicator.BATCH:
            raise ValueError("expected `faults_last_seconds` only in a drill whose indicator is batch")
        return self

    @model_validator(mode="after")
    def _promises_fit_together(self) -> Self:
        if not set(self.ablations) <= set(self.remedies):
            raise ValueError(f"expected ablations among the remedies {self.remedies}, found {self.ablations}")
        if self.requests_during_fault and (self.indicator is not Indicator.REQUESTS or not self.faults):
            raise ValueError("expected faults and the indicator requests beside `requests_during_fault`")
        if self.unaffected and not self.requests_during_fault and self.flow is None:
            raise ValueError("expected `requests_during_fault` in a drill that must leave clients unaffected")
        if self.unhealable and (self.indicator is not Indicator.BATCH or self.remedies or self.faults_last_seconds):
            raise ValueError(
                "expected the indicator batch, no `remedies` and no end of the faults in an unhealable drill"
            )
        if self.reflex and self.remedies:
            raise ValueError("expected no `remedies` in a drill that a reflex heals")
        harmless = self.unaffected or self.indicator is Indicator.BATCH
        if self.quiet and (self.causes or self.remedies or not harmless):
            raise ValueError("expected `unaffected`, no `causes` and no `remedies` in a quiet drill")
        if self.proven_in_turn and any(each.when is not None for each in self.faults):
            raise ValueError("expected no fault with `when` in a drill whose faults are proven in turn")
        if set(self.forbidden_remedies) & set(self.remedies):
            raise ValueError(f"expected no remedy to be both expected and forbidden, found {self.forbidden_remedies}")
        later = [each.when is not None for each in self.faults]
        of_batch = self.indicator is Indicator.BATCH
        if later != sorted(later) or (later and all(later) and not of_batch):
            raise ValueError("expected the faults without `when` first, and at least one of them")
        return self


def read_drill(path: Path) -> CatalogueDrill:
    """The entry in `path`; WrongEntry if it is not one."""
    try:
        return CatalogueDrill.model_validate({"name": path.stem, **yaml.safe_load(path.read_bytes())})
    except (yaml.YAMLError, ValidationError, TypeError) as exc:
        raise WrongEntry(f"{path.name}: {exc}; see docs/drills.md for the form of an entry") from exc


def read_catalogue(directory: Path = CATALOGUE) -> list[CatalogueDrill]:
    """All entries, by name."""
    return [read_drill(path) for path in sorted(directory.glob("*.yaml"))]
