"""The watch over a new champion: is it worse, on the rows since its promotion, than the model that it replaced?

A trial lasts minutes and labels may take days, so that a model can pass its trial and be worse all the same. Both
models are held against the same labelled rows of the days that neither learned from nor was chosen on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from healing.errors import ModelCorrupt
from healing.release import ModelRef, Reason, Release
from healing.trial_rules import CheckState
from healing.verdict import Outcome, Verdict
from releases.loader import LoadedModel, load
from releases.log import ReleaseLog
from releases.store import ModelStore
from tasks.config.pipeline import Pipeline
from tasks.evaluation.labels import day_end, join_labels
from tasks.lake.columns import ASKED_AT, PREDICTION
from tasks.monitoring.champion_comparison import judge_rows
from tasks.monitoring.monitored_model import Subject
from tasks.monitoring.pairs import AT, CHALLENGER, CHAMPION
from tasks.monitoring.windows import DayRange, answered_rows

if TYPE_CHECKING:
    import pandas as pd

CHECK = "promotion"


@dataclass(frozen=True, slots=True)
class Promotion:
    """A champion that replaced another by passing its trial."""

    release: Release
    previous: ModelRef


@dataclass(frozen=True, slots=True)
class Watched:
    """What the watch has seen of one promotion by now."""

    promotion: Promotion
    window: DayRange
    verdict: Verdict


def promotion_of(history: Sequence[Release]) -> Promotion | None:
    """How the present champion came, if that was by a promotion. `history` is oldest first."""
    changes = [(a, b) for a, b in pairwise(history) if a.champion.digest != b.champion.digest]
    if not changes or changes[-1][1].reason is not Reason.PROMOTE:
        return None
    before, promoted = changes[-1]
    return Promotion(promoted, before.champion)


def watch_promoted(pipeline: Pipeline, subject: Subject, release_root: Path, public_key: Path) -> Watched | None:
    """The verdict on the champion beside the one before; None when no promotion is under watch any more.

    FAIL when it loses more than is tolerated, overall or in a segment; over the whole watch the chance of that is at
    most `release.alpha` for one that does not. Never PASS: the watch ends, and with it the question.
    """
    promotion = promotion_of(ReleaseLog(release_root).history())
    if promotion is None or promotion.release.champion.digest != subject.model.digest:
        return None
    window = _window(pipeline, subject, promotion.release)
    if window is None:
        return None
    try:
        previous = load(ModelStore(release_root).path(promotion.previous.digest), public_key)
    except ModelCorrupt as exc:
        reason = f"{promotion.previous.version}, which it replaced, cannot be opened: {exc}"
        return Watched(promotion, window, Verdict(CHECK, Outcome.INCONCLUSIVE, reason, 0))
    rows = _paired(subject, previous, window)
    rules = pipeline.release.trial_rules
    states = judge_rows(rows, pipeline.segments, subject.model.manifest, rules, rules.alpha)
    return Watched(promotion, window, _verdict(states, promotion))


def _window(pipeline: Pipeline, subject: Subject, promoted: Release) -> DayRange | None:
    """The days since the champion was accepted, for so long as `watch_days` after it was promoted.

    The clock of a release is not that of the data where these are replayed; then the day of acceptance counts alone.
    Labels of the last day have as long again to come.
    """
    accepted, length = subject.accepted_until, timedelta(days=pipeline.release.watch_days)
    promoted_on: date = promoted.created_at.astimezone(pipeline.zone).date()
    last = (max(accepted, promoted_on) if promoted_on <= subject.until else accepted) + length
    first = accepted + timedelta(days=1)
    if subject.until < first or subject.until > last + length:
        return None
    return DayRange(first, min(subject.until, last))


def _paired(subject: Subject, previous: LoadedModel, window: DayRange) -> "pd.DataFrame":
    """Every row of the window with the answers of both, its label, and the time at which it was asked."""
    key, lake_root = subject.labels.key, subject.labels.lake_root
    rows = answered_rows(lake_root, key, window, subject.model)
    before = answered_rows(lake_root, key, window, previous).set_index(key)[PREDICTION]
    rows = rows.assign(**{CHALLENGER: rows[PREDICTION], CHAMPION: rows[key].map(before), AT: rows[ASKED_AT]})
    both = rows[rows[CHALLENGER].notna() & rows[CHAMPION].notna()]
    return join_labels(both, subject.labels, day_end(subject.until, subject.labels.zone))


def _verdict(states: Sequence[CheckState], promotion: Promotion) -> Verdict:
    """The state with the most evidence for its threshold, in words that name both models."""
    worst = max(states, key=lambda state: (state.outcome is Outcome.FAIL, state.log_e - state.threshold_log_e))
    return Verdict(
        check=CHECK,
        outcome=worst.outcome,
        reason=f"{promotion.release.champion.version} beside {promotion.previous.version}, {worst.reason}",
        observations=worst.observations,
        statistic=worst.log_e,
        threshold=worst.threshold_log_e,
    )
