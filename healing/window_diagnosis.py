"""What the checks of the latest windows mean together, and whether that calls for anything to be done.

The order is the argument. Two models on the same labelled rows say more than one model alone; data that are bad explain
everything after them; mature labels outrank drift; drift outranks nothing. What could not be judged is never the ground
for saying that nothing is wrong.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from healing.incident import Cause
from healing.persistence import Persistence
from healing.verdict import Verdict


class Diagnosis(StrEnum):
    """What the checks of a window mean together."""

    NOTHING = "nothing"  # every check that there is has passed
    SEASONAL = "seasonal"  # inputs or answers moved and quality did not: recorded, not acted on
    CONCEPT_SHIFT = "concept_shift"  # labels: the model loses more than its own answers expect, window after window
    COVARIATE_SHIFT = "covariate_shift"  # inputs moved, and no label can tell whether it costs anything
    BAD_DATA = "bad_data"  # values missing, unknown or out of range, rows missing: the model is not to blame
    BAD_DEPLOYMENT = "bad_deployment"  # the trouble began with the promotion
    INFRASTRUCTURE = "infrastructure"  # serving is not as it was, data and model are
    UNDECIDED = "undecided"  # too little to say


@dataclass(frozen=True, slots=True)
class Checks:
    """The verdicts of the checks; one that has nothing to look at (no traffic, no promotion) is empty.

    `features`, `predictions`, `quality` and `estimate` are of the last windows, newest first. `data` and `serving` hold
    the newest verdict of each of their checks, `promotion` that of the watch over a new champion.
    """

    features: tuple[Verdict, ...] = ()
    predictions: tuple[Verdict, ...] = ()
    quality: tuple[Verdict, ...] = ()
    estimate: tuple[Verdict, ...] = ()
    data: tuple[Verdict, ...] = ()
    serving: tuple[Verdict, ...] = ()
    promotion: tuple[Verdict, ...] = ()
    new_champion: bool = False  # it replaced another, and every window that there is began after that

    @property
    def labelled(self) -> bool:
        """Whether mature labels measured the newest quality window, whatever they showed."""
        return bool(self.quality) and self.quality[0].statistic is not None

    @property
    def moved(self) -> bool:
        """Whether inputs or answers of the newest window lie beyond what they do by themselves."""
        return _failed_now(self.features) or _failed_now(self.predictions)

    def _that_must_pass(self) -> Iterator[Sequence[Verdict]]:
        """For "nothing". Labels supersede an estimate of what they say."""
        yield from (self.features, self.predictions, self.quality)
        yield from ((verdict,) for verdict in (*self.data, *self.serving, *self.promotion))
        if self.estimate and not self.labelled:
            yield self.estimate

    @property
    def all_passed(self) -> bool:
        """Whether every check that there is passed; drift and quality are always there."""
        return all(bool(verdicts) and verdicts[0].passed for verdicts in self._that_must_pass())


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A diagnosis, the cause that it hands to `heal` (None: it is only recorded), and the check that it rests on."""

    diagnosis: Diagnosis
    cause: Cause | None = None
    ground: Verdict | None = None


def diagnose(checks: Checks, persistence: Persistence) -> Conclusion:
    """What to make of the checks."""
    worse = next((verdict for verdict in checks.promotion if verdict.failed), None)
    if worse is not None:
        return Conclusion(Diagnosis.BAD_DEPLOYMENT, Cause.BAD_CANDIDATE, worse)
    bad = next((verdict for verdict in checks.data if verdict.failed), None)
    if bad is not None:
        return _bad_data(bad, loses=persistence.holds(checks.quality))
    if persistence.holds(checks.quality):
        return Conclusion(Diagnosis.CONCEPT_SHIFT, Cause.QUALITY_DROP, checks.quality[0])
    if _failed_now(checks.quality):
        return Conclusion(Diagnosis.UNDECIDED, ground=checks.quality[0])  # one bad window is no loss, and no season
    return _by_labels(checks) if checks.labelled else _without_labels(checks, persistence)


def _bad_data(bad: Verdict, *, loses: bool) -> Conclusion:
    """Batches that break their contract have incidents of their own. Data that keep it, are bad all the same and cost
    quality are for a person: a model that learnt from them would be wrong once they are right again."""
    return Conclusion(Diagnosis.BAD_DATA, Cause.UNKNOWN if loses else None, bad)


def _by_labels(checks: Checks) -> Conclusion:
    """Labels measured the model and do not condemn it."""
    broken = next((verdict for verdict in checks.serving if verdict.failed), None)
    if broken is not None:
        return Conclusion(Diagnosis.INFRASTRUCTURE, ground=broken)
    if checks.moved and checks.quality[0].passed:
        return Conclusion(Diagnosis.SEASONAL, ground=_moved(checks))
    return Conclusion(Diagnosis.NOTHING if checks.all_passed else Diagnosis.UNDECIDED)


def _without_labels(checks: Checks, persistence: Persistence) -> Conclusion:
    """No label can tell, so only what persists counts, and an estimate may say that it costs nothing."""
    features, predictions = persistence.holds(checks.features), persistence.holds(checks.predictions)
    if features:
        if checks.estimate and checks.estimate[0].passed:
            return Conclusion(Diagnosis.COVARIATE_SHIFT, ground=checks.features[0])
        if predictions or persistence.holds(checks.estimate):
            return Conclusion(Diagnosis.COVARIATE_SHIFT, Cause.DATA_DRIFT, checks.features[0])
    inputs_stay = bool(checks.features) and checks.features[0].passed
    if predictions and inputs_stay and checks.new_champion:
        return Conclusion(Diagnosis.BAD_DEPLOYMENT, ground=checks.predictions[0])
    broken = next((verdict for verdict in checks.serving if verdict.failed), None)
    if broken is not None and not checks.moved:
        return Conclusion(Diagnosis.INFRASTRUCTURE, ground=broken)
    return Conclusion(Diagnosis.UNDECIDED, ground=_moved(checks))


def _moved(checks: Checks) -> Verdict | None:
    return next((each[0] for each in (checks.features, checks.predictions) if _failed_now(each)), None)


def _failed_now(verdicts: Sequence[Verdict]) -> bool:
    return bool(verdicts) and verdicts[0].failed
