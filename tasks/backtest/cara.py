"""CARA, the cost-aware retraining algorithm of Mahadevan & Mathioudakis (2024), on the matrix of losses.

The staleness of a model at a block of days is what it loses more there than on the first block after its training. Two
variants of the paper are here; its third, periodic one is a fixed schedule:

* threshold: retrain when the staleness of the newest block exceeds a threshold;
* cumulative threshold: retrain when the staleness summed since the last retrain exceeds a threshold.

The threshold is the one that would have cost least (loss and retrains together) in an offline part of the history. The
paper estimates staleness for queries without labels, from their similarity to labelled rows; here the newest block has
labels, so staleness is measured and not estimated.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Losses = NDArray[np.float64]  # shape (blocks, blocks), see `optimum.optimal_schedules`
    Rows = NDArray[np.float64]  # labelled rows of each block, shape (blocks,)

OFFLINE_SHARE = 4  # the threshold is chosen on a quarter of the blocks

Staleness = Callable[["Losses", "Rows", int, int], float]


def newest_staleness(losses: "Losses", rows: "Rows", trained: int, block: int) -> float:
    """Staleness on the block before `block` of the model trained before block `trained`, per row."""
    return float(losses[trained, block - 1] / rows[block - 1] - losses[trained, trained] / rows[trained])


def summed_staleness(losses: "Losses", rows: "Rows", trained: int, block: int) -> float:
    """Staleness summed over the blocks from its training to the one before `block`, in total."""
    fresh = losses[trained, trained] / rows[trained]
    return float((losses[trained, trained:block] - fresh * rows[trained:block]).sum())


def cara(losses: "Losses", rows: "Rows", price: float, staleness: Staleness) -> tuple[int, ...]:
    """The blocks before which CARA retrains, at a price of one retrain in units of the loss.

    `rows` are the labelled rows of each block. The threshold is chosen in hindsight on the first quarter of the blocks,
    and applied to all of them, so it is known earlier than it would be.
    """
    offline = max(2, len(losses) // OFFLINE_SHARE)
    fitted = [trained for trained in range(offline) if losses[trained, -1] < float("inf")]
    thresholds = {
        staleness(losses, rows, trained, block)
        for trained in fitted
        for block in range(trained + 1, offline)
        if rows[trained] and rows[block - 1]
    }

    def offline_cost(threshold: float) -> float:
        retrains = _retrains(losses[:offline, :offline], rows, threshold, staleness)
        return _loss(losses[:offline, :offline], retrains) + price * len(retrains)

    return _retrains(losses, rows, min([float("inf"), *sorted(thresholds, reverse=True)], key=offline_cost), staleness)


def _retrains(losses: "Losses", rows: "Rows", threshold: float, staleness: Staleness) -> tuple[int, ...]:
    """The blocks before which staleness exceeds the threshold. A refused training (an infinite loss) is left out."""
    trained, retrains = 0, []
    for block in range(1, len(losses)):
        known = rows[trained] and rows[block - 1]
        if known and staleness(losses, rows, trained, block) > threshold and losses[block, -1] < float("inf"):
            trained = block
            retrains.append(block)
    return tuple(retrains)


def _loss(losses: "Losses", retrains: tuple[int, ...]) -> float:
    """Total loss of a schedule."""
    starts = (0, *retrains)
    ends = (*retrains, len(losses))
    return float(sum(losses[start, start:end].sum() for start, end in zip(starts, ends, strict=True)))
