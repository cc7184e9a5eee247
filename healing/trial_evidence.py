"""Evidence of one trial: the sequential test behind each check, its counts, and its numbers in words."""

from collections.abc import Mapping
from dataclasses import dataclass

from healing.sequential.absolute import AbsoluteRateTest
from healing.sequential.bins import ReferenceBins
from healing.sequential.concentration import ConcentrationTest, SavedConcentration
from healing.sequential.detector import SavedTest
from healing.sequential.rate import RateTest, SavedRate
from healing.trial_rules import TrialCheck, TrialRules

# QUALITY needs labels, which come after the trial guard has seen the request; healing.paired tests it.
GUARD_CHECKS = (TrialCheck.ERRORS, TrialCheck.LATENCY, TrialCheck.PREDICTIONS, TrialCheck.DISAGREEMENT)


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known about answers before the trial.

    Deciles (0, 10 … 100 %) are of each model's answers to its own reference rows, empty where unknown; the check of
    predictions needs both. Two answers further apart than `disagreement_distance` disagree; None where unknown.
    """

    challenger_deciles: tuple[float, ...] = ()
    champion_deciles: tuple[float, ...] = ()
    disagreement_distance: float | None = None


@dataclass(frozen=True, slots=True)
class SavedEvidence:
    """The state of a trial's evidence, to resume it in another process."""

    challenger_requests: int
    champion_requests: int
    timed: int
    errors: SavedRate
    latency: SavedRate
    disagreement: SavedTest
    predictions: SavedConcentration | None


class TrialEvidence:
    """The tests and counts of one trial; `alphas` is the error probability that each check may spend.

    `challenger_requests` and `champion_requests` count over all stages, in shadow copies; `timed` counts the
    challenger's requests whose time is known. `predictions` is None where the expected answers are unknown.
    """

    def __init__(self, rules: TrialRules, expected: Expected, alphas: Mapping[TrialCheck, float]) -> None:
        self.challenger_requests = 0
        self.champion_requests = 0
        self.timed = 0
        self.errors = RateTest(alphas[TrialCheck.ERRORS], rules.error_ratio_tolerated, rules.error_rate_tolerated)
        self.latency = RateTest(alphas[TrialCheck.LATENCY], rules.slow_ratio_tolerated, rules.slow_rate_tolerated)
        self.distance = expected.disagreement_distance
        self.disagreement = AbsoluteRateTest(alphas[TrialCheck.DISAGREEMENT], rules.disagreement_rate_tolerated)
        self.predictions = _concentration(expected, rules.outside_rate_tolerated)

    def restart(self) -> None:
        """Begin another run of every test."""
        for test in (self.errors, self.latency, self.disagreement, self.predictions):
            if test is not None:
                test.restart()

    def log_e(self, check: TrialCheck) -> float:
        """Natural log of the check's e-value now."""
        match check:
            case TrialCheck.ERRORS:
                return self.errors.log_e
            case TrialCheck.LATENCY:
                return self.latency.log_e
            case TrialCheck.PREDICTIONS:
                return 0.0 if self.predictions is None else self.predictions.log_e
            case _:
                return self.disagreement.log_e

    def observations(self, check: TrialCheck) -> int:
        """How many observations of the challenger the check has."""
        match check:
            case TrialCheck.ERRORS:
                return self.challenger_requests
            case TrialCheck.LATENCY:
                return self.timed
            case TrialCheck.PREDICTIONS:
                return 0 if self.predictions is None else sum(self.predictions.answers)
            case _:
                return self.disagreement.observations

    def in_words(self, check: TrialCheck) -> str:
        """The check's numbers, as the note of an abort shows them."""
        match check:
            case TrialCheck.ERRORS:
                return f"challenger failed {self._rates_in_words(self.errors)}"
            case TrialCheck.LATENCY:
                return f"challenger was slow in {self._rates_in_words(self.latency)}"
            case TrialCheck.PREDICTIONS:
                return _predictions_in_words(self.predictions)
            case _:
                return self._disagreement_in_words()

    def save(self) -> SavedEvidence:
        return SavedEvidence(
            challenger_requests=self.challenger_requests,
            champion_requests=self.champion_requests,
            timed=self.timed,
            errors=self.errors.save(),
            latency=self.latency.save(),
            disagreement=self.disagreement.save(),
            predictions=None if self.predictions is None else self.predictions.save(),
        )

    def resume(self, saved: SavedEvidence) -> None:
        """Continue from the state of a trial with the same rules and the same expectations."""
        self.challenger_requests, self.champion_requests = saved.challenger_requests, saved.champion_requests
        self.timed = saved.timed
        self.errors.resume(saved.errors)
        self.latency.resume(saved.latency)
        self.disagreement.resume(saved.disagreement)
        if self.predictions is not None and saved.predictions is not None:
            self.predictions.resume(saved.predictions)

    def _rates_in_words(self, test: RateTest) -> str:
        alone = f"{test.events} of {self.challenger_requests} requests"
        if not self.champion_requests:
            return f"{alone}, tolerated {test.absolute.tolerated:.2%}"
        return (
            f"{alone}, champion {test.relative.champion} of {self.champion_requests}; tolerated "
            f"{test.relative.tolerated_ratio:g} times as often beside it, {test.absolute.tolerated:.2%} alone"
        )

    def _disagreement_in_words(self) -> str:
        if self.distance is None:
            return "the distance at which two answers disagree is not known"
        test = self.disagreement
        return (
            f"{test.events} of {test.observations} answers further than {self.distance:.4g} from those given, "
            f"tolerated {test.tolerated:.0%}"
        )


def _concentration(expected: Expected, tolerated: float) -> ConcentrationTest | None:
    if not expected.challenger_deciles or not expected.champion_deciles:
        return None
    return ConcentrationTest(
        ReferenceBins(expected.challenger_deciles), ReferenceBins(expected.champion_deciles), tolerated
    )


def _predictions_in_words(test: ConcentrationTest | None) -> str:
    """The bin with the most evidence, and how many of the challenger's answers are in it."""
    if test is None:
        return "the deciles of the reference answers of both models are needed, and not known"
    total = sum(test.answers)
    fullest = test.fullest
    tolerated = f"{test.tolerated[fullest]:.0%}"
    return (
        f"{test.answers[fullest]} of {total} answers {test.bins.span(fullest)}, expected "
        f"{test.bins.expected_share(fullest):.0%}, tolerated {tolerated} unless the champion's answers do the same"
    )
