"""Disagreement: how often the scores of a shadow on trial differ from the predictions that clients received.

The gateway judges the trial itself, request by request. This check reports the same on the days in the lake. It is
about the challenger, so it has no part in the champion's diagnosis.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from healing.release import Mode
from healing.verdict import Outcome, Verdict
from releases.log import ReleaseLog
from releases.store import ModelStore
from tasks.evaluation.clustered import clustered_mean
from tasks.evaluation.scores import by_day
from tasks.lake.lake_root import LakeRoot
from tasks.monitoring.check import CheckContext, monitor_check
from tasks.monitoring.diagnosis import Topic
from tasks.monitoring.monitored_model import WindowVerdict
from tasks.monitoring.windows import DayRange
from tasks.serving.prediction_log import predictions_table, shadow_table

if TYPE_CHECKING:
    import pandas as pd

CHECK = "disagreement"
PAIRS_MIN = 100
HOURS_MIN = 4  # rows of one hour share their weather, so an hour counts as one observation
ALPHA = 0.05


@monitor_check(Topic.CHALLENGER)
def check_disagreement(context: CheckContext) -> tuple[WindowVerdict, ...]:
    """The verdict on the shadow that is on trial; nothing without one, or if its manifest has no distance limit."""
    name = context.pipeline.name
    release_root = context.settings.release_root(name)
    current = ReleaseLog(release_root).current()
    trial = None if current is None else current.challenger
    if trial is None or trial.mode is not Mode.SHADOW:
        return ()
    distance = ModelStore(release_root).manifest(trial.model.digest).reference.disagreement
    if distance is None:
        return ()
    since = context.now - timedelta(days=context.pipeline.monitor.serving_days)
    tolerated = trial.rules.disagreement_rate_tolerated
    return judge_disagreement(context.settings.lake_root(name), trial.model.digest, distance, tolerated, since)


def judge_disagreement(
    lake_root: LakeRoot, digest: str, distance: float, rate_tolerated: float, since: datetime
) -> tuple[WindowVerdict, ...]:
    """How often the shadow `digest` differed by more than `distance`; nothing if it scored no request."""
    pairs = scored_pairs(lake_root, digest, since)
    if pairs.empty:
        return ()
    window = DayRange(pairs["at"].min().date(), pairs["at"].max().date())
    return (WindowVerdict(window, judge_pairs(pairs, distance, rate_tolerated)),)


def judge_pairs(pairs: "pd.DataFrame", distance: float, rate_tolerated: float) -> Verdict:
    """FAIL when the disagreement rate is significantly above what is tolerated, PASS when significantly within it.

    `statistic` is the rate. `pairs` has one row per scored copy: `at`, `given`, and `scored`, which is NaN where the
    shadow failed. These rows are left out: failures are not disagreement.
    """
    import numpy as np

    known = pairs[pairs["scored"].notna() & pairs["given"].notna()]
    differs = (known["scored"] - known["given"]).abs() > distance
    hours = by_day(known["at"].dt.floor("h"), np.asarray(differs, dtype=np.float64))
    if len(known) < PAIRS_MIN or len(hours) < HOURS_MIN:
        reason = f"{len(known)} scored copies in {len(hours)} hours, {PAIRS_MIN} in {HOURS_MIN} needed"
        return Verdict(CHECK, Outcome.INCONCLUSIVE, reason, len(known))
    rate = clustered_mean(hours)
    reason = f"{rate.value:.1%} of {len(known)} scores differ from the prediction given by more than {distance:.3f}"
    outcome = Outcome.INCONCLUSIVE
    if rate.lower(ALPHA) > rate_tolerated:
        outcome = Outcome.FAIL
    elif rate.upper(ALPHA) <= rate_tolerated:
        outcome = Outcome.PASS
    return Verdict(CHECK, outcome, reason, len(known), statistic=rate.value, threshold=rate_tolerated)


def scored_pairs(lake_root: LakeRoot, digest: str, since: datetime) -> "pd.DataFrame":
    """One row per copy that the shadow scored since then, with the prediction that was given for the same row."""
    import pandas as pd

    scores, predictions = shadow_table(lake_root), predictions_table(lake_root)
    if scores.version() is None or predictions.version() is None:
        return pd.DataFrame()
    scored = scores.read(since=since, day_column="at", columns=["at", "request_id", "row", "digest", "prediction"])
    scored = scored[scored["digest"] == digest].rename(columns={"prediction": "scored"})
    given = predictions.read(since=since, day_column="at", columns=["at", "request_id", "row", "prediction"])
    given = given.rename(columns={"prediction": "given"}).drop(columns="at")
    return scored[["at", "request_id", "row", "scored"]].merge(given, on=["request_id", "row"])
