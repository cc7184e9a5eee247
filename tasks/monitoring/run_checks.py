"""Every check of one run of the monitor, as the diagnosis and the report take them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from healing.release import Mode
from healing.verdict import Verdict
from healing.window_diagnosis import Checks
from releases.log import ReleaseLog
from releases.store import ModelStore
from tasks.config.pipeline import Pipeline
from tasks.ledger.records import BatchRecord
from tasks.monitoring.checks.data_quality import batches_of_window, judge_data_window
from tasks.monitoring.checks.disagreement import judge_disagreement
from tasks.monitoring.checks.estimate import judge_estimate_windows
from tasks.monitoring.checks.serving import judge_serving
from tasks.monitoring.checks.volume import judge_volume
from tasks.monitoring.judgement import judge_drift_windows, judge_quality_windows
from tasks.monitoring.monitored_model import Judged, Subject


@dataclass(frozen=True, slots=True)
class Drift:
    """What can be told without labels, window by window, newest first."""

    features: tuple[Judged, ...]
    predictions: tuple[Judged, ...]
    estimate: tuple[Judged, ...]


@dataclass(frozen=True, slots=True)
class Serving:
    """How requests were answered, and what a shadow had to say to them; empty and None where nobody asked."""

    champion: tuple[Judged, ...] = ()
    disagreement: Judged | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """Every check. `data` holds the newest verdict each of values, batches and volume."""

    quality: tuple[Judged, ...]
    drift: Drift
    data: tuple[Judged, ...]
    serving: Serving

    def checks(self, promotion: Sequence[Judged], *, new_champion: bool) -> Checks:
        """As the diagnosis takes them. What a shadow says is about the challenger, and the champion's are diagnosed."""
        return Checks(
            features=_verdicts(self.drift.features),
            predictions=_verdicts(self.drift.predictions),
            quality=_verdicts(self.quality),
            estimate=_verdicts(self.drift.estimate),
            data=_verdicts(self.data),
            serving=_verdicts(self.serving.champion),
            promotion=_verdicts(promotion),
            new_champion=new_champion,
        )

    @property
    def newest(self) -> tuple[Judged, ...]:
        """The latest verdict of every check."""
        drift = (self.drift.features[0], self.drift.predictions[0], *self.drift.estimate[:1])
        return (self.quality[0], *drift, *self.data, *self._serving)

    @property
    def everything(self) -> tuple[Judged, ...]:
        """Every verdict; of a check that looked at several windows the newest comes first."""
        drift = (*self.drift.features, *self.drift.predictions, *self.drift.estimate)
        return (*self.quality, *drift, *self.data, *self._serving)

    @property
    def distributions(self) -> tuple[Judged, ...]:
        """The newest verdicts of which a report of distributions says more."""
        return (self.quality[0], self.drift.features[0], self.drift.predictions[0], *self.data[:1])

    @property
    def _serving(self) -> tuple[Judged, ...]:
        of_shadow = () if self.serving.disagreement is None else (self.serving.disagreement,)
        return (*self.serving.champion, *of_shadow)


def look_at_quality(subject: Subject) -> tuple[Judged, ...]:
    """Quality on mature labels, newest window first."""
    return judge_quality_windows(subject)


def look_at_drift(subject: Subject, count: int) -> Drift:
    """Drift of inputs and answers, and what the answers let expect, in the last `count` windows."""
    features, predictions = judge_drift_windows(subject, count)
    return Drift(features, predictions, judge_estimate_windows(subject, count))


def look_at_data(subject: Subject, batches: list[BatchRecord], share_tolerated: float) -> tuple[Judged, ...]:
    """Values, rows and batches of the newest window."""
    values = judge_data_window(subject)
    taken = batches_of_window(batches, values.window, share_tolerated)
    return (values, judge_volume(subject), *(() if taken is None else (taken,)))


def look_at_serving(lake_root: Path, release_root: Path, pipeline: Pipeline, now: datetime) -> Serving:
    """The record of answered requests up to `now`, and of the shadow that is on trial."""
    days = pipeline.monitor.serving_days
    return Serving(
        champion=judge_serving(lake_root, now, days),
        disagreement=_disagreement(lake_root, release_root, now - timedelta(days=days)),
    )


def _disagreement(lake_root: Path, release_root: Path, since: datetime) -> Judged | None:
    current = ReleaseLog(release_root).current()
    trial = None if current is None else current.challenger
    if trial is None or trial.mode is not Mode.SHADOW:
        return None
    distance = ModelStore(release_root).manifest(trial.model.digest).reference.disagreement
    if distance is None:
        return None  # its manifest does not say how far it may be from the champion
    return judge_disagreement(lake_root, trial.model.digest, distance, trial.rules.disagreement_rate_tolerated, since)


def _verdicts(judged: Sequence[Judged]) -> tuple[Verdict, ...]:
    return tuple(each.verdict for each in judged)
