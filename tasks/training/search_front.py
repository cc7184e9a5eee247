"""Pareto front of loss and latency over the combinations that a search scored, as a table and as a figure.

A combination is on the front if no other one has both a lower loss and a lower latency. Losses are comparable between
combinations with the same share of the resource only, so the front is that of the last round.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tasks.training.search import ScoredParameters, SearchResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AS_WRITTEN = "the estimator as written"


def pareto_front(scored: Sequence[ScoredParameters]) -> list[ScoredParameters]:
    """The combinations of the last round that no other one of it dominates, from the fastest to the slowest."""
    share = max((each.share for each in scored), default=0.0)
    ranked = sorted((each for each in scored if each.share == share and _is_measured(each)), key=_latency_and_loss)
    front = list[ScoredParameters]()
    for each in ranked:
        if not front or _latency_and_loss(each)[1] < _latency_and_loss(front[-1])[1]:
            front.append(each)
    return front


def front_table(found: SearchResult) -> dict[str, list[Any]]:
    """One row per scored combination: parameters, share of the resource, loss, latencies, and where it stands."""
    front = pareto_front(found.scored)
    return {
        "parameters": [_name(each) for each in found.scored],
        "share": [each.share for each in found.scored],
        "loss": [each.loss for each in found.scored],
        "latency_row_ms": [each.latency and each.latency.row_ms for each in found.scored],
        "latency_batch_ms": [each.latency and each.latency.batch_ms for each in found.scored],
        "within_budget": [each.is_within(found.latency_ms_max) for each in found.scored],
        "on_front": [each in front for each in found.scored],
        "found": [each.parameters == found.parameters for each in found.scored],
    }


def front_figure(found: SearchResult) -> "Figure | None":
    """Loss over latency in the last round, with the front and the budget; None if nothing has both."""
    from matplotlib.figure import Figure  # unlike pyplot, it needs no display

    front = pareto_front(found.scored)
    if not front:
        return None
    points = [each for each in found.scored if each.share == front[0].share and _is_measured(each)]
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    axes.scatter(*zip(*map(_latency_and_loss, points), strict=True), color="grey", label="combinations")
    axes.plot(*zip(*map(_latency_and_loss, front), strict=True), marker="o", label="Pareto front")
    if found.latency_ms_max is not None:
        axes.axvline(found.latency_ms_max, linestyle=":", color="red", label="budget")
    axes.set(xlabel="latency in ms of processor time", ylabel="loss per row", title="Loss and latency")
    axes.legend(fontsize="small")
    return figure


def _is_measured(scored: ScoredParameters) -> bool:
    return scored.latency is not None and scored.loss is not None


def _latency_and_loss(scored: ScoredParameters) -> tuple[float, float]:
    assert scored.latency is not None
    assert scored.loss is not None
    return scored.latency.ms, scored.loss


def _name(scored: ScoredParameters) -> str:
    return json.dumps(dict(scored.parameters), sort_keys=True, default=str) if scored.parameters else AS_WRITTEN
