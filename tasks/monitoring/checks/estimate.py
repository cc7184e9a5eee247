"""What the window will probably lose, before its labels come: the accepted rows' losses under the window's answers."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from healing.estimate import CHECK, EstimateRule, Reweighted, judge_estimate
from tasks.evaluation.clustered import DaySum, clustered_mean
from tasks.evaluation.losses import LogLoss, Loss
from tasks.evaluation.scores import by_day
from tasks.lake.columns import BATCH_DAY, LABEL, PREDICTION
from tasks.monitoring.monitored_model import Judged, Subject
from tasks.monitoring.windows import answered_rows

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]  # shape (rows,)

BINS = 20  # of answers, equally full: finer ones have too few labels to say what their answers cost


def judge_estimate_windows(subject: Subject, count: int) -> tuple[Judged, ...]:
    """The estimate for the last `count` windows, newest first."""
    days = subject.rules.window_days
    windows = subject.windows(days, count)
    if not windows:
        return (subject.too_new(CHECK, days),)
    rules = subject.rules
    rule = EstimateRule(rules.rows_min, rules.loss_increase_tolerated, measure=subject.loss.name)
    judged = []
    for window in windows:
        rows = answered_rows(subject.labels.lake_root, subject.labels.key, window, subject.model)
        found = reweight(subject.accepted, rows[PREDICTION].to_numpy(dtype=float), subject.loss)
        judged.append(Judged(window, judge_estimate(found, rule)))
    return tuple(judged)


def reweight(accepted: "pd.DataFrame", answers: "Numbers", loss: Loss) -> Reweighted:
    """Labelled rows (with `prediction`, `label`, `event_day`) weighted so that their answers are as frequent as these.

    A weight is a bin's share among `answers` over its share among the labelled rows: post-stratification by answer.
    """
    import numpy as np

    labelled = accepted[accepted[LABEL].notna()]
    given, labels = labelled[PREDICTION].to_numpy(dtype=float), labelled[LABEL].to_numpy(dtype=float)
    answers = answers[np.isfinite(answers)]
    if not len(given) or not len(answers):
        return Reweighted(0.0, (), 0.0, 0.0, len(answers))
    losses = loss.of(given, labels)
    edges = np.unique(np.quantile(given, np.linspace(0, 1, BINS + 1)[1:-1]))
    places, now_places = np.digitize(given, edges), np.digitize(answers, edges)
    counts = np.bincount(places, minlength=len(edges) + 1)
    usual, now = counts / len(places), np.bincount(now_places, minlength=len(counts)) / len(answers)
    weights = np.divide(now, usual, out=np.zeros_like(now), where=usual > 0)[places]
    unexplained = losses - (np.bincount(places, losses, len(counts)) / np.maximum(counts, 1))[places]
    days = labelled[BATCH_DAY]
    return Reweighted(
        change=float(((weights - 1) * losses).mean()),
        unexplained=by_day(days, weights * unexplained),
        noise=_noise(by_day(days, unexplained), len(answers)),
        beyond=float(((answers < given.min()) | (answers > given.max()) | (usual[now_places] == 0)).mean()),
        rows=len(answers),
        figures=_figures(places, labels, now_places, answers) if isinstance(loss, LogLoss) else "",
    )


def _noise(unexplained: Sequence[DaySum], rows: int) -> float:
    """Standard error of the loss of so many rows about what their answers let expect.

    Rows of a day lose together: the spread between the labelled days, for as many days as the rows would fill.
    """
    if len(unexplained) < 2:
        return 0.0  # no spread, and no verdict either
    labelled = sum(day.rows for day in unexplained)
    return clustered_mean(unexplained).standard_error * math.sqrt(labelled / rows)


def _figures(places: "NDArray[np.int64]", labels: "Numbers", now: "NDArray[np.int64]", answers: "Numbers") -> str:
    """Brier score and AUC that the window's answers let expect, each answer being as right as its bin's were."""
    import numpy as np

    count = int(max(places.max(), now.max())) + 1
    rates = np.bincount(places, labels, count) / np.maximum(np.bincount(places, minlength=count), 1)
    positive = rates[now]
    brier = float((positive * (1 - answers) ** 2 + (1 - positive) * answers**2).mean())
    return f" (Brier score {brier:.4f}, AUC {expected_auc(answers, positive):.3f})"


def expected_auc(answers: "Numbers", positive: "Numbers") -> float:
    """The AUC of answers whose rows are positive with these probabilities, to first order in the number of rows.

    The chance that of a positive and a negative row the positive one has the higher answer; NaN where one class is
    certain.
    """
    import numpy as np

    order = np.argsort(answers, kind="stable")
    _, group = np.unique(answers[order], return_inverse=True)  # equal answers count half
    gained = np.bincount(group, positive[order])
    lost = np.bincount(group, 1 - positive[order])
    below = np.cumsum(lost) - lost
    pairs = gained.sum() * lost.sum()
    return float((gained * (below + lost / 2)).sum() / pairs) if pairs > 0 else float("nan")
