"""Drills of several faults at once, drawn from the catalogue by a seed: the same seed gives the same drill.

pair-SEED              two independent faults; no request may fail or be answered wrongly
liveness-SEED          many independent faults for a while, which the drill then ends; service has to converge
NAME:1+3               only the first and the third fault of one of these
"""

import random
import re
from collections.abc import Sequence
from itertools import combinations

from chaos.compose.drill import CatalogueDrill, FaultEntry, Tier
from chaos.spec import Indicator, Limits

__all__ = ["liveness_of_seed", "pair_of_seed", "part_of", "possible_pairs", "sampled_drill"]

NAME = re.compile(r"(pair|liveness)-(\d{1,9})(?::([1-9]\d?(?:\+[1-9]\d?)*))?")
IN_RELEASE_ROOT = frozenset({"candidate", "file", "directory"})  # one hides or replaces what the other has changed
RECOVERY_SECONDS_MAX = 180.0
LIVENESS_DRILLS = 4
LIVENESS_REQUESTS = 800  # while the faults last: 20 s
Pair = tuple[CatalogueDrill, CatalogueDrill]


def sampled_drill(name: str, drills: Sequence[CatalogueDrill]) -> CatalogueDrill | None:
    """The drill that `name` draws; None when it is no name of a sampled drill. LookupError for a fault it lacks."""
    found = NAME.fullmatch(name)
    if found is None:
        return None
    draw = pair_of_seed if found[1] == "pair" else liveness_of_seed
    drill = draw(int(found[2]), drills)
    return drill if found[3] is None else part_of(drill, [int(number) for number in found[3].split("+")])


def possible_pairs(drills: Sequence[CatalogueDrill]) -> list[Pair]:
    """Pairs of drills of the small stack whose faults are independent, in the order of the catalogue."""
    single = [drill for drill in drills if _is_single(drill)]
    return [(one, other) for one, other in combinations(single, 2) if _are_independent(one, other)]


def pair_of_seed(seed: int, drills: Sequence[CatalogueDrill]) -> CatalogueDrill:
    """The drill of both faults. It promises that service recovers, and no request fails or is answered wrongly."""
    one, other = random.Random(seed).choice(possible_pairs(drills))  # noqa: S311
    return _together(f"pair-{seed}", f"Two at once: {one.name} and {other.name}", (one, other))


def liveness_of_seed(seed: int, drills: Sequence[CatalogueDrill]) -> CatalogueDrill:
    """The drill that breaks much at once, then ends every fault. It promises that service is then whole again.

    Requests may fail while the faults last, and none may be answered wrongly.
    """
    chosen: list[CatalogueDrill] = []
    single = [drill for drill in drills if _is_single(drill)]
    for drill in random.Random(seed).sample(single, len(single)):  # noqa: S311
        if len(chosen) < LIVENESS_DRILLS and all(_are_independent(drill, other) for other in chosen):
            chosen.append(drill)
    names = ", ".join(drill.name for drill in chosen)
    together = _together(f"liveness-{seed}", f"Much at once, then nothing: {names}", chosen)
    assert together.load is not None
    return together.model_copy(
        update={
            "requests_during_fault": LIVENESS_REQUESTS,
            "unaffected": False,
            "reflex": True,
            "limits": together.limits.model_copy(update={"failed_max": together.load.requests_max}),
        }
    )


def part_of(drill: CatalogueDrill, numbers: Sequence[int]) -> CatalogueDrill:
    """The drill with some of its faults only, counted from one. LookupError when it has no such fault."""
    if not set(numbers) <= set(range(1, len(drill.faults) + 1)):
        raise LookupError(f"expected faults from 1 to {len(drill.faults)} of {drill.name}, found {list(numbers)}")
    faults = tuple(drill.faults[number - 1] for number in sorted(set(numbers)))
    return drill.model_copy(update={"name": f"{drill.name}:{'+'.join(map(str, numbers))}", "faults": faults})


def _together(name: str, title: str, drills: Sequence[CatalogueDrill]) -> CatalogueDrill:
    """One drill with the faults of all, each once."""
    faults: list[FaultEntry] = []
    for fault in (each for drill in drills for each in drill.faults):
        if fault not in faults:
            faults.append(fault)
    unaffected = all(drill.unaffected for drill in drills)
    return CatalogueDrill(
        name=name,
        title=title,
        description=" ".join(f"{drill.title}." for drill in drills),
        tier=Tier.SERVING,
        tags=("two-at-once", "sampled"),
        indicator=Indicator.REQUESTS,
        faults=tuple(faults),
        load=drills[0].load,
        needs=tuple(sorted({need for drill in drills for need in drill.needs})),
        warm_fallbacks=max(drill.warm_fallbacks for drill in drills),
        proof_seconds_max=max(drill.proof_seconds_max for drill in drills),
        requests_during_fault=max(drill.requests_during_fault for drill in drills),
        unaffected=unaffected,
        reflex=not unaffected,
        restored_seconds_max=RECOVERY_SECONDS_MAX + 10,
        deadline_seconds=2 * RECOVERY_SECONDS_MAX,
        limits=Limits(recovery_seconds=RECOVERY_SECONDS_MAX, hold_seconds=5, requests_min=300),
    )


def _is_single(drill: CatalogueDrill) -> bool:
    """Whether the drill does harm on the small stack by faults that all begin at once."""
    return (
        drill.tier is Tier.SERVING
        and bool(drill.faults)
        and not drill.quiet
        and "two-at-once" not in drill.tags
        and all(fault.when is None for fault in drill.faults)
    )


def _are_independent(one: CatalogueDrill, other: CatalogueDrill) -> bool:
    in_root = [any(fault.kind in IN_RELEASE_ROOT for fault in drill.faults) for drill in (one, other)]
    same = [fault for fault in one.faults if fault in other.faults]
    return not all(in_root) and len(same) < min(len(one.faults), len(other.faults))
