"""Concept shift: the distribution of labels changes and the inputs do not, so that only labels show it.

Two weeks of real flights with a real model's predictions. Labels are drawn from these predictions, with one common
shock per day (a storm delays all flights), so that the model is right by construction. Then the relation between
prediction and label changes, dose by dose.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING

from benchmarks.year.lake import LAST
from benchmarks.year.world import World
from tasks.evaluation.losses import LogLoss
from tasks.lake.columns import BATCH_DAY, LABEL, PREDICTION
from tasks.monitoring.checks.quality import QualityRule, judge_quality
from tasks.monitoring.label_cohorts import labelled_window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Shares = NDArray[np.float64]  # shape (rows,)

DAY_SHOCK = 0.3  # standard deviation in log-odds: how much the late share of days varies beyond the predictions
RELATION_DOSES = (0.0, 0.25, 0.5, 1.0)  # the part of the predictions' information that is lost
ODDS_DOSES = (0.25, 0.5, 1.0)  # log-odds by which all flights are late more often


def quality_alarms(world: World, seeds: int) -> Mapping[str, float]:
    """Share of windows that FAIL, by dose; `relation_0.0` is the share of false alarms."""
    import numpy as np

    rules = world.pipeline.monitor
    rule = QualityRule(rows_min=rules.rows_min, tolerated=rules.loss_increase_tolerated)
    model = world.first
    first = model.accepted_until + timedelta(days=1)
    rows = world.rows(first, LAST)
    rows = rows[[BATCH_DAY]].assign(**{PREDICTION: model.predict(rows)})
    days = sorted(set(rows[BATCH_DAY]))[: -rules.quality_window_days]
    shifts = {f"relation_{dose}": (1 - dose, 0.0) for dose in RELATION_DOSES}
    shifts |= {f"odds_{dose}": (1.0, dose) for dose in ODDS_DOSES}
    failed = dict.fromkeys(shifts, 0)
    for seed in range(seeds):
        generator = np.random.default_rng(seed)
        since: date = days[int(generator.integers(len(days)))]
        until = since + timedelta(days=rules.quality_window_days - 1)
        window = rows[(rows[BATCH_DAY] >= since) & (rows[BATCH_DAY] <= until)]
        for name, (slope, shift) in shifts.items():
            labels = _labels(window[PREDICTION].to_numpy(), window[BATCH_DAY].to_numpy(), slope, shift, generator)
            labelled = labelled_window(window.assign(**{LABEL: labels}), LogLoss())
            failed[name] += judge_quality(labelled, 0.0, rule).failed
    return {name: count / seeds for name, count in failed.items()}


def _labels(
    predictions: "Shares", days: "NDArray[np.object_]", slope: float, shift: float, generator: "np.random.Generator"
) -> "Shares":
    """Labels with the predictions' log-odds, whose distance from the mean is scaled by `slope`, plus `shift`."""
    import numpy as np

    odds = np.log(predictions / (1 - predictions))
    _, day = np.unique(days, return_inverse=True)
    shock = generator.normal(0, DAY_SHOCK, day.max() + 1)[day]
    share = 1 / (1 + np.exp(-(odds.mean() + slope * (odds - odds.mean()) + shift + shock)))
    late: Shares = (generator.random(len(share)) < share).astype(np.float64)
    return late
