"""Drills of two faults at once, drawn from the catalogue by a seed: the same seed gives the same drill."""

import random
from collections.abc import Sequence
from itertools import combinations

from chaos.compose.drill import CatalogueDrill, FaultEntry, Tier
from chaos.spec import Indicator, Limits

__all__ = ["pair_of_seed", "possible_pairs"]

ONE_OF_A_KIND = frozenset({"candidate", "file"})  # two trials, or two changes of files, are no independent faults
RECOVERY_SECONDS_MAX = 180.0
Pair = tuple[CatalogueDrill, CatalogueDrill]


def possible_pairs(drills: Sequence[CatalogueDrill]) -> list[Pair]:
    """Pairs of drills of the small stack whose faults are independent, in the order of the catalogue."""
    single = [drill for drill in drills if _is_single(drill)]
    return [(one, other) for one, other in combinations(single, 2) if _are_independent(one, other)]


def pair_of_seed(seed: int, drills: Sequence[CatalogueDrill]) -> CatalogueDrill:
    """The drill of both faults. It promises that service recovers, and no request fails or is answered wrongly."""
    one, other = random.Random(seed).choice(possible_pairs(drills))  # noqa: S311
    assert one.load is not None
    faults: list[FaultEntry] = [*one.faults, *(fault for fault in other.faults if fault not in one.faults)]
    unaffected = one.unaffected and other.unaffected
    return CatalogueDrill(
        name=f"pair-{seed}",
        title=f"Two at once: {one.name} and {other.name}",
        description=f"{one.title}. {other.title}.",
        tier=Tier.SERVING,
        tags=("two-at-once", "sampled"),
        indicator=Indicator.REQUESTS,
        faults=tuple(faults),
        load=one.load,
        needs=tuple(sorted({*one.needs, *other.needs})),
        warm_fallbacks=max(one.warm_fallbacks, other.warm_fallbacks),
        proof_seconds_max=max(one.proof_seconds_max, other.proof_seconds_max),
        requests_during_fault=max(one.requests_during_fault, other.requests_during_fault),
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
    shared = {fault.kind for fault in one.faults} & {fault.kind for fault in other.faults}
    same = [fault for fault in one.faults if fault in other.faults]
    return not shared & ONE_OF_A_KIND and len(same) < min(len(one.faults), len(other.faults))
