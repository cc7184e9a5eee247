"""The diagnosis: what the verdicts of one monitor run mean together, and which incident cause follows.

Rules come in this order. Two models on the same labelled rows are stronger evidence than one model alone. Bad data
explain everything that comes after them. Mature labels outrank drift; drift outranks nothing. A check that is
INCONCLUSIVE never supports the diagnosis "nothing".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from healing.incident import Cause
from healing.verdict import Verdict
from tasks.monitoring.persistence import Persistence


class Topic(StrEnum):
    """What the verdicts of a check are about. The diagnosis uses verdicts by topic."""

    QUALITY = "quality"
    FEATURES = "features"
    PREDICTIONS = "predictions"
    ESTIMATE = "estimate"
    DATA = "data"
    SERVING = "serving"
    CHALLENGER = "challenger"  # recorded and reported; the diagnosis is about the champion
    PROMOTION = "promotion"

    @property
    def has_one_check(self) -> bool:
        """Whether the diagnosis reads the history of one check, not the newest verdicts of several."""
        return self in (Topic.QUALITY, Topic.FEATURES, Topic.PREDICTIONS, Topic.ESTIMATE, Topic.PROMOTION)


class Diagnosis(StrEnum):
    """What the checks of a window mean together."""

    NOTHING = "nothing"  # all checks passed
    SEASONAL = "seasonal"  # inputs or predictions moved and quality did not: recorded, no action
    CONCEPT_SHIFT = "concept_shift"  # by labels, the model loses more than its predictions expect, window after window
    COVARIATE_SHIFT = "covariate_shift"  # inputs moved, and no labels show whether this costs quality
    BAD_DATA = "bad_data"  # values missing, unseen or out of range, or rows missing: the model is not the cause
    BAD_DEPLOYMENT = "bad_deployment"  # the problem began with the promotion
    INFRASTRUCTURE = "infrastructure"  # serving changed, data and model did not
    INCONCLUSIVE = "inconclusive"  # not enough evidence


@dataclass(frozen=True, slots=True)
class TopicVerdicts:
    """The verdicts of one monitor run by topic. A topic that has nothing to judge (no traffic, no promotion) is empty.

    `features`, `predictions`, `quality` and `estimate` hold the last windows, newest first. `data` and `serving` hold
    the newest verdict of each check, `promotion` the verdict of the post-promotion check.
    """

    features: tuple[Verdict, ...] = ()
    predictions: tuple[Verdict, ...] = ()
    quality: tuple[Verdict, ...] = ()
    estimate: tuple[Verdict, ...] = ()
    data: tuple[Verdict, ...] = ()
    serving: tuple[Verdict, ...] = ()
    promotion: tuple[Verdict, ...] = ()
    new_champion: bool = False  # it replaced another model, and all judged windows began after that

    @property
    def labelled(self) -> bool:
        """Whether mature labels measured the newest quality window, whatever they showed."""
        return bool(self.quality) and self.quality[0].statistic is not None

    @property
    def moved(self) -> bool:
        """Whether inputs or predictions of the newest window drifted."""
        return _failed_now(self.features) or _failed_now(self.predictions)

    @property
    def all_passed(self) -> bool:
        """Whether all checks with something to judge passed. Drift and quality are required."""
        return all(bool(verdicts) and verdicts[0].passed for verdicts in self._required())

    def _required(self) -> Iterator[Sequence[Verdict]]:
        """What "nothing" requires to pass. An estimate is not required where labels exist."""
        yield from (self.features, self.predictions, self.quality)
        yield from ((verdict,) for verdict in (*self.data, *self.serving, *self.promotion))
        if self.estimate and not self.labelled:
            yield self.estimate


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A diagnosis, the cause that `heal` is to treat (None: the diagnosis is only recorded), and the deciding check."""

    diagnosis: Diagnosis
    cause: Cause | None = None
    ground: Verdict | None = None


def diagnose(found: TopicVerdicts, persistence: Persistence) -> Conclusion:
    """The diagnosis of one monitor run."""
    worse = next((verdict for verdict in found.promotion if verdict.failed), None)
    if worse is not None:
        return Conclusion(Diagnosis.BAD_DEPLOYMENT, Cause.BAD_CANDIDATE, worse)
    bad = next((verdict for verdict in found.data if verdict.failed), None)
    if bad is not None:
        return _bad_data(bad, quality_drops=persistence.holds(found.quality))
    if persistence.holds(found.quality):
        return Conclusion(Diagnosis.CONCEPT_SHIFT, Cause.QUALITY_DROP, found.quality[0])
    if _failed_now(found.quality):  # one bad window is not yet a quality drop, and not seasonal either
        return Conclusion(Diagnosis.INCONCLUSIVE, ground=found.quality[0])
    return _with_labels(found) if found.labelled else _without_labels(found, persistence)


def _bad_data(bad: Verdict, *, quality_drops: bool) -> Conclusion:
    """Bad data: recorded, or escalated to a person if quality drops as well.

    Batches that break their contract have their own incidents. Data that satisfy the contract, are bad all the same and
    cost quality need a person: a model trained on them would be wrong once the data are correct again.
    """
    return Conclusion(Diagnosis.BAD_DATA, Cause.UNKNOWN if quality_drops else None, bad)


def _with_labels(found: TopicVerdicts) -> Conclusion:
    """The diagnosis when labels measured the model and show no quality drop."""
    broken = next((verdict for verdict in found.serving if verdict.failed), None)
    if broken is not None:
        return Conclusion(Diagnosis.INFRASTRUCTURE, ground=broken)
    if found.moved and found.quality[0].passed:
        return Conclusion(Diagnosis.SEASONAL, ground=_first_drift(found))
    return Conclusion(Diagnosis.NOTHING if found.all_passed else Diagnosis.INCONCLUSIVE)


def _without_labels(found: TopicVerdicts, persistence: Persistence) -> Conclusion:
    """The diagnosis without labels: only drift that persists counts, and a passed estimate prevents action."""
    features, predictions = persistence.holds(found.features), persistence.holds(found.predictions)
    if features:
        if found.estimate and found.estimate[0].passed:
            return Conclusion(Diagnosis.COVARIATE_SHIFT, ground=found.features[0])
        if predictions or persistence.holds(found.estimate):
            return Conclusion(Diagnosis.COVARIATE_SHIFT, Cause.DATA_DRIFT, found.features[0])
    inputs_unchanged = bool(found.features) and found.features[0].passed
    if predictions and inputs_unchanged and found.new_champion:
        return Conclusion(Diagnosis.BAD_DEPLOYMENT, ground=found.predictions[0])
    broken = next((verdict for verdict in found.serving if verdict.failed), None)
    if broken is not None and not found.moved:
        return Conclusion(Diagnosis.INFRASTRUCTURE, ground=broken)
    return Conclusion(Diagnosis.INCONCLUSIVE, ground=_first_drift(found))


def _first_drift(found: TopicVerdicts) -> Verdict | None:
    return next((each[0] for each in (found.features, found.predictions) if _failed_now(each)), None)


def _failed_now(verdicts: Sequence[Verdict]) -> bool:
    return bool(verdicts) and verdicts[0].failed
