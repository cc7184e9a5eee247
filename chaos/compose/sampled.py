"""Drills of several faults at once, drawn from the catalogue by a seed: the same seed gives the same drill.

pair-SEED              the faults of two drills; no request may fail or be answered wrongly
liveness-SEED          the faults of many drills for a while, which the drill then ends; service has to converge
NAME:1+3               only the first and the third fault of one of these

No two of the drills have a victim in common, and each fault is proven active before the next one is injected.
"""

import random
import re
from collections.abc import Sequence
from itertools import combinations

from chaos.compose.drill import CatalogueDrill, FaultEntry, Tier
from chaos.compose.victims import are_disjoint, in_order_of_proof
from chaos.spec import Indicator, Limits

__all__ = ["liveness_of_seed", "pair_of_seed", "part_of", "possible_pairs", "sampled_drill"]

NAME = re.compile(r"(pair|liveness)-(\d{1,9})(?::([1-9]\d?(?:\+[1-9]\d?)*))?")
RECOVERY_SECONDS_MAX = 180.0
LIVENESS_DRILLS = 4
LIVENESS_REQUESTS = 800  # while the faults last: 20 s
LIVENESS_SECONDS_MAX = 330.0  # from the first fault: all proofs, the time that the faults last, and the recovery
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
    """Pairs of drills of the small stack whose faults have no victim in common, in the order of the catalogue."""
    single = [drill for drill in drills if _is_single(drill)]
    return [(one, other) for one, other in combinations(single, 2) if are_disjoint(one, other)]


def pair_of_seed(seed: int, drills: Sequence[CatalogueDrill]) -> CatalogueDrill:
    """The drill of both faults. It promises that service recovers, and no request fails or is answered wrongly."""
    one, other = random.Random(seed).choice(possible_pairs(drills))  # noqa: S311
    return _together(f"pair-{seed}", f"Two at once: {one.name} and {other.name}", (one, other))


def liveness_of_seed(seed: int, drills: Sequence[CatalogueDrill]) -> CatalogueDrill:
    """The drill that breaks much at once, then ends every fault. It promises that service is then whole again.

    Requests may fail while the faults last, and none may be answered wrongly.
    """
    single = [drill for drill in drills if _is_single(drill)]
    order = random.Random(seed).sample(single, len(single))  # noqa: S311
    chosen = [next(drill for drill in order if not drill.unaffected)]  # else nothing may break, and nothing converges
    for drill in order:
        if len(chosen) < LIVENESS_DRILLS and all(are_disjoint(drill, other) for other in chosen):
            chosen.append(drill)
    names = ", ".join(drill.name for drill in chosen)
    together = _together(f"liveness-{seed}", f"Much at once, then nothing: {names}", chosen)
    assert together.load is not None
    load = together.load.model_copy(
        update={
            "seconds_max": LIVENESS_SECONDS_MAX,
            "requests_max": int(LIVENESS_SECONDS_MAX * together.load.rate_per_second),
        }
    )
    limits = {"failed_max": load.requests_max, "recovery_seconds": LIVENESS_SECONDS_MAX}
    return together.model_copy(
        update={
            "load": load,
            "requests_during_fault": LIVENESS_REQUESTS,
            "unaffected": False,
            "reflex": True,
            "deadline_seconds": LIVENESS_SECONDS_MAX + RECOVERY_SECONDS_MAX,
            "limits": together.limits.model_copy(update=limits),
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
        faults=tuple(in_order_of_proof(faults)),
        proven_in_turn=True,
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
        and set(drill.needs) <= {"proxy"}
        and "two-at-once" not in drill.tags
        and all(fault.when is None for fault in drill.faults)
    )
