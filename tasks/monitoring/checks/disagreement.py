"""Whether a shadow's scores agree with the answers that were given, by the lake: the challenger's side of a window.

The gateway judges the trial itself, request by request; this is the same in the record of the days, for a person.
"""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from healing.verdict import Outcome, Verdict
from tasks.evaluation.clustered import clustered_mean
from tasks.evaluation.scores import by_day
from tasks.monitoring.monitored_model import Judged
from tasks.monitoring.windows import DayRange
from tasks.serving.prediction_log import predictions_table, shadow_table

if TYPE_CHECKING:
    import pandas as pd

CHECK = "disagreement"
PAIRS_MIN = 100
HOURS_MIN = 4  # rows of an hour share their weather, so an hour counts as one observation
ALPHA = 0.05


def judge_disagreement(
    lake_root: Path, digest: str, distance: float, rate_tolerated: float, since: datetime
) -> Judged | None:
    """How often the shadow `digest` was further than `distance` from the answer given; None where it scored nothing."""
    pairs = scored_pairs(lake_root, digest, since)
    if pairs.empty:
        return None
    window = DayRange(pairs["at"].min().date(), pairs["at"].max().date())
    return Judged(window, judge_pairs(pairs, distance, rate_tolerated))


def judge_pairs(pairs: "pd.DataFrame", distance: float, rate_tolerated: float) -> Verdict:
    """FAIL when the rate is surely above what is tolerated, PASS when it surely is not; `statistic` is the rate.

    `pairs` has a row a scored copy: `at`, `given`, `scored` (NaN where the shadow failed, which is another matter).
    """
    import numpy as np

    known = pairs[pairs["scored"].notna() & pairs["given"].notna()]
    apart = (known["scored"] - known["given"]).abs() > distance
    hours = by_day(known["at"].dt.floor("h"), np.asarray(apart, dtype=np.float64))
    if len(known) < PAIRS_MIN or len(hours) < HOURS_MIN:
        reason = f"{len(known)} scored copies in {len(hours)} hours, {PAIRS_MIN} in {HOURS_MIN} needed"
        return Verdict(CHECK, Outcome.INCONCLUSIVE, reason, len(known))
    rate = clustered_mean(hours)
    reason = f"{rate.value:.1%} of {len(known)} answers are further than {distance:.3f} from the one given"
    outcome = Outcome.INCONCLUSIVE
    if rate.lower(ALPHA) > rate_tolerated:
        outcome = Outcome.FAIL
    elif rate.upper(ALPHA) <= rate_tolerated:
        outcome = Outcome.PASS
    return Verdict(CHECK, outcome, reason, len(known), statistic=rate.value, threshold=rate_tolerated)


def scored_pairs(lake_root: Path, digest: str, since: datetime) -> "pd.DataFrame":
    """A row a copy that the shadow scored since then, beside the answer that was given to the same row."""
    import pandas as pd

    scores, answers = shadow_table(lake_root), predictions_table(lake_root)
    if scores.version() is None or answers.version() is None:
        return pd.DataFrame()
    scored = scores.read(since=since, day_column="at", columns=["at", "request_id", "row", "digest", "prediction"])
    scored = scored[scored["digest"] == digest].rename(columns={"prediction": "scored"})
    given = answers.read(since=since, day_column="at", columns=["at", "request_id", "row", "prediction"])
    given = given.rename(columns={"prediction": "given"}).drop(columns="at")
    return scored[["at", "request_id", "row", "scored"]].merge(given, on=["request_id", "row"])
