"""The offline-optimal schedule: the cheapest days to retrain for somebody who knows all later labels.

Dynamic programming over the matrix loss[trained at i][scored at j], as in Mahadevan & Mathioudakis, *Cost-aware
retraining for machine learning* (CARA, 2024). The optimum is the best of all schedules on the grid of days, so a policy
that trains on other days, or other models, may come below it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule: the blocks before which it retrains (places in the grid, without the first model), and its loss."""

    retrains: tuple[int, ...]
    loss: float


def optimal_schedules(losses: "NDArray[np.float64]") -> tuple[Schedule, ...]:
    """The best schedule for each number of retrains, from none to as many as there are blocks after the first.

    `losses[i, j]` is the total loss on block j of the model that was trained before block i, for i <= j; infinite where
    that training was refused. Shape (blocks, blocks).
    """
    import numpy as np

    count = len(losses)
    cumulated = np.cumsum(np.where(np.tri(count, k=-1, dtype=bool), 0.0, losses), axis=1)
    ends: list[dict[int, tuple[float, tuple[int, ...]]]] = [{0: (0.0, ())}]
    for _ in range(1, count):
        ends.append(_one_more(cumulated, ends[-1]))
    best = []
    for reached in ends:
        totals = [Schedule(days, loss + float(cumulated[last, -1])) for last, (loss, days) in reached.items()]
        finite = [schedule for schedule in totals if np.isfinite(schedule.loss)]
        if finite:
            best.append(min(finite, key=lambda schedule: schedule.loss))
    return tuple(best)


def price_max(schedules: tuple[Schedule, ...]) -> float:
    """The price of a retrain above which the best schedule never retrains, in units of the loss; 0 if none pays."""
    never = schedules[0].loss
    gains = [(never - each.loss) / len(each.retrains) for each in schedules[1:]]
    return max(0.0, max(gains, default=0.0))


def _one_more(
    cumulated: "NDArray[np.float64]", reached: "dict[int, tuple[float, tuple[int, ...]]]"
) -> "dict[int, tuple[float, tuple[int, ...]]]":
    """The cheapest ways to serve a model trained before each block, with one retrain more than in `reached`.

    Maps the block of the last retrain to the loss on all blocks before it, and to all retrains.
    """
    found: dict[int, tuple[float, tuple[int, ...]]] = {}
    for last, (loss, days) in reached.items():
        for block in range(last + 1, len(cumulated)):
            total = loss + float(cumulated[last, block - 1])
            if block not in found or total < found[block][0]:
                found[block] = total, (*days, block)
    return found
