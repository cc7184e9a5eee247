"""Holm's step-down procedure: several hypotheses are tested with one family-wise error rate."""

import math
from collections.abc import Mapping


def holm(p_values: Mapping[str, float], alpha: float, weights: Mapping[str, float] | None = None) -> frozenset[str]:
    """The names of the rejected hypotheses. The family-wise error rate is at most `alpha` under any dependence.

    With `weights` (above zero, 1 for names without one), each name gets a share of `alpha` in proportion to its weight:
    heavy hypotheses are rejected sooner, and the family-wise error rate stays (Holm 1979, section 4; Genovese, Roeder &
    Wasserman 2006, *False discovery control with p-value weighting*). ValueError for a weight of zero or less.

    >>> sorted(holm({"a": 0.001, "b": 0.02, "c": 0.5}, alpha=0.05))
    ['a', 'b']
    >>> sorted(holm({"a": 0.02, "b": 0.02, "c": 0.5}, alpha=0.05, weights={"a": 2.0, "b": 0.5, "c": 0.5}))
    ['a']
    """
    weight = {name: 1.0 if weights is None else weights.get(name, 1.0) for name in p_values}
    if any(value <= 0 for value in weight.values()):
        raise ValueError(f"expected weights above zero, found {min(weight.values())}; use a small weight instead")
    left = math.fsum(weight.values())
    rejected: set[str] = set()
    for name in sorted(p_values, key=lambda name: (p_values[name] / weight[name], name)):
        if p_values[name] > alpha * weight[name] / left:
            break
        rejected.add(name)
        left -= weight[name]
    return frozenset(rejected)
