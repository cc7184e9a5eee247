"""The labels' law changes and the inputs do not: only labels can tell.

A fortnight of real flights, answered by a real model; labels are drawn from those answers, with a common shock a day
(a storm delays all), so that the model is right by construction. Then the law changes, dose by dose.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING

from benchmarks.year.lake import LAST
from benchmarks.year.world import Fitted, World
from healing.quality import QualityRule, judge_quality
from tasks.evaluation.losses import LogLoss
from tasks.lake.columns import BATCH_DAY, LABEL, PREDICTION
from tasks.monitoring.windows import labelled_window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Shares = NDArray[np.float64]  # shape (rows,)

DAY_SHOCK = 0.3  # log-odds, a standard deviation: late shares of days differ by that much beyond the model's answers
RELATION_DOSES = (0.0, 0.25, 0.5, 1.0)  # how much of what the model knows no longer holds
ODDS_DOSES = (0.25, 0.5, 1.0)  # log-odds by which everything is later than it was


def quality_alarms(world: World, fitted: Fitted, seeds: int) -> Mapping[str, float]:
    """Share of windows that FAIL, by dose; `relation_0.0` is the share of false alarms."""
    import numpy as np

    rules = world.pipeline.monitor
    rule = QualityRule(rows_min=rules.rows_min, tolerated=rules.loss_increase_tolerated)
    first = fitted.accepted_until + timedelta(days=1)
    rows = world.rows(first, LAST)
    rows = rows[[BATCH_DAY]].assign(**{PREDICTION: fitted.predict(rows)})
    days = sorted(set(rows[BATCH_DAY]))[: -rules.quality_window_days]
    laws = {f"relation_{dose}": (1 - dose, 0.0) for dose in RELATION_DOSES}
    laws |= {f"odds_{dose}": (1.0, dose) for dose in ODDS_DOSES}
    failed = dict.fromkeys(laws, 0)
    for seed in range(seeds):
        generator = np.random.default_rng(seed)
        since: date = days[int(generator.integers(len(days)))]
        until = since + timedelta(days=rules.quality_window_days - 1)
        window = rows[(rows[BATCH_DAY] >= since) & (rows[BATCH_DAY] <= until)]
        for name, (slope, shift) in laws.items():
            labels = _labels(window[PREDICTION].to_numpy(), window[BATCH_DAY].to_numpy(), slope, shift, generator)
            labelled = labelled_window(window.assign(**{LABEL: labels}), LogLoss())
            failed[name] += judge_quality(labelled, 0.0, rule).failed
    return {name: count / seeds for name, count in failed.items()}


def _labels(
    answers: "Shares", days: "NDArray[np.object_]", slope: float, shift: float, generator: "np.random.Generator"
) -> "Shares":
    """Labels whose log-odds are the answers', with `slope` of their departure from the mean answer, plus `shift`."""
    import numpy as np

    odds = np.log(answers / (1 - answers))
    _, day = np.unique(days, return_inverse=True)
    shock = generator.normal(0, DAY_SHOCK, day.max() + 1)[day]
    share = 1 / (1 + np.exp(-(odds.mean() + slope * (odds - odds.mean()) + shift + shock)))
    late: Shares = (generator.random(len(share)) < share).astype(np.float64)
    return late
