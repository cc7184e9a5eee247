"""Promotion: whether a new champion is worse than the model that it replaced, on the rows since its promotion.

A trial takes minutes and labels may take days, so a model can pass its trial and still be worse. Both models are
compared on the same labelled rows, of days on which neither was trained or selected.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from healing.errors import ModelCorrupt
from healing.release import ModelRef, Release
from healing.remedy import passed_trial
from healing.trial_rules import CheckState
from healing.verdict import Outcome, Verdict
from releases.loader import LoadedModel, load
from releases.log import ReleaseLog
from releases.signing import ensure_keys
from releases.store import ModelStore
from tasks.config.pipeline import Pipeline
from tasks.evaluation.labels import day_end, join_labels
from tasks.evaluation.predictions import predictions_in, with_predictions
from tasks.lake.columns import ASKED_AT
from tasks.monitoring.champion_comparison import judge_rows
from tasks.monitoring.check import CheckContext, monitor_check
from tasks.monitoring.diagnosis import Topic
from tasks.monitoring.monitored_model import MonitoredModel, WindowVerdict
from tasks.monitoring.paired_rows import AT, CHALLENGER, CHAMPION
from tasks.monitoring.windows import DayRange, predicted_rows

if TYPE_CHECKING:
    import pandas as pd

CHECK = "promotion"


@dataclass(frozen=True, slots=True)
class Promotion:
    """The release that promoted a challenger, and the champion that it replaced."""

    release: Release
    previous: ModelRef


def latest_promotion(history: Sequence[Release]) -> Promotion | None:
    """The promotion of the current champion; None if it became champion in another way. `history` is oldest first."""
    changes = [(a, b) for a, b in pairwise(history) if a.champion.digest != b.champion.digest]
    if not changes or not passed_trial(*changes[-1]):
        return None
    before, promoted = changes[-1]
    return Promotion(promoted, before.champion)


@monitor_check(Topic.PROMOTION)
def check_promotion(context: CheckContext) -> tuple[WindowVerdict, ...]:
    """The new champion compared with its predecessor; nothing when no promotion is recent enough.

    FAIL when it loses more than is tolerated, overall or in a segment. Over all runs of the check, the false-alarm rate
    is at most `release.alpha`. Never PASS: the check ends with its window.
    """
    pipeline, model = context.pipeline, context.model
    release_root = context.settings.release_root(pipeline.name)
    promotion = latest_promotion(ReleaseLog(release_root).history())
    if promotion is None or promotion.release.champion.digest != model.champion.digest:
        return ()
    window = _window(pipeline, model, promotion.release)
    if window is None:
        return ()
    public_key = ensure_keys(context.settings.keys_dir).public
    try:
        previous = load(ModelStore(release_root).fetch(promotion.previous.digest), public_key)
    except ModelCorrupt as exc:
        reason = f"{promotion.previous.version}, the champion before, cannot be opened: {exc}"
        return (WindowVerdict(window, Verdict(CHECK, Outcome.INCONCLUSIVE, reason, 0)),)
    rules = pipeline.release.trial_rules
    rows = _paired_rows(model, previous, window)
    classes = model.labels.classes
    states = judge_rows(rows, pipeline.segments, model.champion.manifest, rules, rules.alpha, classes)
    return (WindowVerdict(window, _verdict(states, promotion)),)


def _window(pipeline: Pipeline, model: MonitoredModel, promoted: Release) -> DayRange | None:
    """The days since the champion's acceptance, until `watch_days` after its promotion. None when it is over.

    When data are replayed, the release's wall-clock time lies after all days of the data. Then only the day of
    acceptance counts. The labels of the last day have `watch_days` more to arrive.
    """
    accepted, length = model.accepted_until, timedelta(days=pipeline.release.watch_days)
    promoted_on: date = promoted.created_at.astimezone(pipeline.zone).date()
    last = (max(accepted, promoted_on) if promoted_on <= model.until else accepted) + length
    first = accepted + timedelta(days=1)
    if model.until < first or model.until > last + length:
        return None
    return DayRange(first, min(model.until, last))


def _paired_rows(model: MonitoredModel, previous: LoadedModel, window: DayRange) -> "pd.DataFrame":
    """The window's rows with the predictions of both models, the label, and the time of the request."""
    key, lake_root = model.labels.key, model.labels.lake_root
    classes = model.labels.classes
    now = model.predicted(window)
    rows = model.features(window.since, window.until)
    before = predicted_rows(lake_root, key, rows, previous).set_index(key).reindex(now[key])
    rows = now.assign(**{AT: now[ASKED_AT]})
    for name, found in ((CHALLENGER, now), (CHAMPION, before)):
        rows = with_predictions(rows, predictions_in(found, classes), classes, name)
    both = rows[rows[CHALLENGER].notna() & rows[CHAMPION].notna()]
    return join_labels(both, model.labels, day_end(model.until, model.labels.zone))


def _verdict(states: Sequence[CheckState], promotion: Promotion) -> Verdict:
    """The state with the most evidence relative to its threshold, with a reason that names both models."""
    worst = max(states, key=lambda state: (state.outcome is Outcome.FAIL, state.log_e - state.threshold_log_e))
    return Verdict(
        check=CHECK,
        outcome=worst.outcome,
        reason=f"{promotion.release.champion.version} compared with {promotion.previous.version}, {worst.reason}",
        observations=worst.observations,
        statistic=worst.log_e,
        threshold=worst.threshold_log_e,
    )
