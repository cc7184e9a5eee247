"""Why a drill cannot or must not run on a stack, one sentence per reason. Nothing is changed to find out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaos.lab import Lab
from chaos.spec import spec_of
from chaos.staging.needs import needs_of_drill, needs_of_fault

__all__ = ["ABLATION", "REFUSED", "PlannedFault", "planned", "refusals"]

ABLATION = "ablation"  # stands for a kind of fault in `allow`: a remedy that is disabled
REFUSED = "refused"  # where the record of a drill keeps the reasons: plain `chaos run` obeys them as well


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """One fault of an experiment; `later` for one that waits until a remedy has started."""

    kind: str
    arguments: Mapping[str, Any]
    later: bool = False

    @property
    def title(self) -> str:
        return " ".join([self.kind, *(f"{key}={value}" for key, value in sorted(self.arguments.items()))])


def planned(experiment: Mapping[str, Any]) -> list[PlannedFault]:
    """The faults that an experiment injects, in order."""
    steps = [step["provider"] for step in experiment["method"] if step["provider"]["func"] == "inject_fault"]
    return [
        PlannedFault(
            kind=each["arguments"]["kind"],
            arguments=each["arguments"]["arguments"],
            later=bool(each["arguments"].get("later")),
        )
        for each in steps
    ]


def refusals(experiment: Mapping[str, Any], lab: Lab, ablate: str | None = None) -> list[str]:
    """The reasons, without duplicates; empty when the drill may run."""
    faults = planned(experiment)
    if ablate is not None:
        faults.append(PlannedFault(ABLATION, {"remedy": ablate}))
    return list(dict.fromkeys([*_forbidden(experiment, lab, faults), *_unmet(experiment, lab, faults)]))


def _forbidden(experiment: Mapping[str, Any], lab: Lab, faults: Sequence[PlannedFault]) -> Iterator[str]:
    """What the target's `allow` does not list. The stack on the home of the drill allows everything."""
    if lab.target is None:
        return
    drill = spec_of(experiment).name
    for each in faults:
        if not lab.target.allow.allows(drill, each.kind):
            yield f"{lab.name} does not allow it: neither the drill {drill} nor faults of kind {each.kind}"


def _unmet(experiment: Mapping[str, Any], lab: Lab, faults: Sequence[PlannedFault]) -> Iterator[str]:
    for need in needs_of_drill(spec_of(experiment)):
        if not need.is_met_by(lab):
            yield f"it needs {need.value}, and {lab.name} has none"
    for each in faults:
        for need in needs_of_fault(each.kind, each.arguments):
            if not need.is_met_by(lab):
                yield f"its fault `{each.title}` needs {need.value}, and {lab.name} has none"
