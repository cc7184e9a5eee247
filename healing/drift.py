"""Holm's step-down procedure."""

import math
from collections.abc import Mapping


def holm(p_values: Mapping[str, float], alpha: float, weights: Mapping[str, float] | None = None) -> frozenset[str]:
    """The names that Holm's step-down procedure rejects: family-wise error at most `alpha` under any dependence.

    With `weights` (above zero, 1 for every other name) a name gets a share of `alpha` in proportion to its weight: what
    matters more is found sooner, and the family-wise error stays (Holm 1979, section 4; Genovese, Roeder & Wasserman
    2006, *False discovery control with p-value weighting*). ValueError for a weight of zero or less.

    >>> sorted(holm({"a": 0.001, "b": 0.02, "c": 0.5}, alpha=0.05))
    ['a', 'b']
    >>> sorted(holm({"a": 0.02, "b": 0.02, "c": 0.5}, alpha=0.05, weights={"a": 2.0, "b": 0.5, "c": 0.5}))
    ['a']
    """
    weight = {name: 1.0 if weights is None else weights.get(name, 1.0) for name in p_values}
    if any(value <= 0 for value in weight.values()):
        raise ValueError(f"expected weights above zero, found {min(weight.values())}; give what does not matter little")
    left = math.fsum(weight.values())
    rejected: set[str] = set()
    for name in sorted(p_values, key=lambda name: (p_values[name] / weight[name], name)):
        if p_values[name] > alpha * weight[name] / left:
            break
        rejected.add(name)
        left -= weight[name]
    return frozenset(rejected)
