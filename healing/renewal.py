"""When the next renewal by schedule is due, and by how much the cost of a retrain postpones it."""

import math
from dataclasses import dataclass

BACK_OFF = 2  # one measurement lengthens the interval by this factor at most, because it may be off by chance


@dataclass(frozen=True, slots=True)
class FreshnessGain:
    """What newer training data gain: the loss per row of an older model minus the champion's, on the same rows.

    The champion's data are `newer_days` newer. `rows_per_day` are the labelled rows that it answers per day.
    """

    per_row: float
    newer_days: int
    rows_per_day: float


def renewal_interval(every_days: int, cost: float = 0.0, gain: FreshnessGain | None = None) -> int:
    """Days of data between two renewals: `every_days` or more, if `cost` says that they do not pay so often.

    `cost` is that of one retrain, in units of the loss times rows. If the loss of a model grows by `a` per row and day,
    it loses `a * rows_per_day * n**2 / 2` in `n` days. So loss and cost together are lowest at
    `n = sqrt(2 * cost / (a * rows_per_day))` (the economic order quantity: Harris, *How many parts to make at once*,
    1913). The last renewal measured `a`: its gain, over the days by which its data were newer. Where it gained nothing,
    the interval doubles. Without a measurement it is `every_days`.

    >>> renewal_interval(14, cost=100, gain=FreshnessGain(per_row=0.003, newer_days=14, rows_per_day=900))
    28
    """
    if cost == 0 or gain is None or gain.newer_days <= 0:
        return every_days
    longest = BACK_OFF * max(every_days, gain.newer_days)
    growth = gain.per_row / gain.newer_days * gain.rows_per_day
    cheapest = math.sqrt(2 * cost / growth) if growth > 0 else math.inf
    return max(every_days, math.ceil(min(cheapest, longest)))
