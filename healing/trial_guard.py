"""The judge of one trial: what it sees of a challenger, it weighs by rules that were fixed before the trial began.

The gateway asks it at every request, a replay of logged traffic asks the same judge, and so does the benchmark. Each
check is an e-process; their mean, weighted by `share_of_alpha`, is one too. So `rules.alpha` bounds the chance that a
challenger within all tolerances is ever condemned, over all stages, at any number of looks, by whichever check.
"""

import math
from dataclasses import dataclass

from healing.release import Mode
from healing.sequential.absolute import AbsoluteRateTest, SavedAbsolute
from healing.sequential.bins import ReferenceBins
from healing.sequential.concentration import ConcentrationTest, SavedConcentration
from healing.sequential.detector import log_sum
from healing.sequential.rate import RateTest, SavedRate
from healing.trial_rules import Check, CheckState, TrialRules, share_of_alpha
from healing.trial_words import disagreement_in_words, predictions_in_words, rates_in_words
from healing.verdict import Outcome

CHECKS = (Check.ERRORS, Check.LATENCY, Check.PREDICTIONS, Check.DISAGREEMENT)  # quality needs labels: not seen here


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known of answers before the trial.

    Deciles (0, 10 … 100 %) are of each model's answers to its own reference rows, empty where unknown; the check of
    predictions needs both. Two answers further apart than `disagreement_distance` disagree; None where unknown.
    """

    challenger_deciles: tuple[float, ...] = ()
    champion_deciles: tuple[float, ...] = ()
    disagreement_distance: float | None = None


@dataclass(frozen=True, slots=True)
class SavedGuard:
    """All that a guard knows, to go on in another process. Plain values, so that any JSON library can write it."""

    challenger_requests: int
    champion_requests: int
    timed: int
    errors: SavedRate
    latency: SavedRate
    disagreement: SavedAbsolute
    predictions: SavedConcentration | None
    failed: tuple[Check, ...]
    alarm: CheckState | None


class TrialGuard:
    """Feed it every request of a trial, ask it for an alarm; an alarm stays.

    >>> guard = TrialGuard(TrialRules(), Mode.CANARY, 0.05, Expected())
    >>> for _ in range(6):
    ...     guard.observe(challenger=True, failed=True, slow=False, answer=None)
    >>> guard.alarm().check
    <Check.ERRORS: 'errors'>
    """

    def __init__(self, rules: TrialRules, mode: Mode, weight: float, expected: Expected) -> None:
        self.rules = rules
        self.mode = mode
        self.weight = weight
        self.challenger_requests = 0  # over all stages; copies in shadow
        self.champion_requests = 0
        self._timed = 0
        self._distance = expected.disagreement_distance
        alphas = {check: rules.alpha * share_of_alpha(check, rules) for check in CHECKS}
        self._thresholds = {check: -math.log(alpha) for check, alpha in alphas.items()}
        self._log_shares = {check: math.log(share_of_alpha(check, rules)) for check in CHECKS if check in rules.votes}
        self._errors = RateTest(alphas[Check.ERRORS], rules.error_ratio_tolerated, rules.error_rate_tolerated)
        self._latency = RateTest(alphas[Check.LATENCY], rules.slow_ratio_tolerated, rules.slow_rate_tolerated)
        self._disagreement = AbsoluteRateTest(alphas[Check.DISAGREEMENT], rules.disagreement_rate_tolerated)
        self._predictions = _predictions(expected, rules.outside_rate_tolerated)
        self._failed: set[Check] = set()
        self._alarm: CheckState | None = None

    def observe(
        self,
        challenger: bool,
        failed: bool,
        slow: bool | None,
        answer: float | None,
        route_key_is_new: bool = True,
        slow_share: float | None = None,
    ) -> None:
        """Take one request of a canary that was randomised between the arms.

        `slow` is None while there is no threshold, `answer` where the arm gave none. Only the first error of a route
        key is evidence: one client that tries again is one observation. A further one is left out, as if the request
        had not been. `slow_share` is the challenger's share of all that is timed, where that is not its weight, as when
        batches are timed and not requests.
        """
        self.challenger_requests += challenger
        self.champion_requests += not challenger
        beside = self.weight < 1
        if failed:
            if route_key_is_new:
                self._take(self._errors, Check.ERRORS, challenger, beside, self.weight)
        else:
            self._errors.pass_over(challenger, beside)
        if slow is not None:
            self._timed += challenger
            if slow:
                share = self.weight if slow_share is None else slow_share
                self._take(self._latency, Check.LATENCY, challenger, beside, share)
            else:
                self._latency.pass_over(challenger, beside)
        if answer is not None and self._predictions is not None:
            self._place(self._predictions, challenger, answer)

    def observe_pair(self, failed: bool, slow: bool | None, answer: float | None, given: float) -> None:
        """Take one copy that the challenger scored, or failed to, in shadow, beside the answer that was given."""
        self.challenger_requests += 1
        self._errors.absolute.observe(event=failed)
        if failed:
            self._judge(Check.ERRORS)
        if slow is not None:
            self._timed += 1
            self._latency.absolute.observe(event=slow)
            if slow:
                self._judge(Check.LATENCY)
        if answer is None or not math.isfinite(answer) or not math.isfinite(given):
            return
        if self._distance is not None:
            disagrees = abs(answer - given) > self._distance
            self._disagreement.observe(event=disagrees)
            if disagrees:
                self._judge(Check.DISAGREEMENT)
        if self._predictions is not None and self._predictions.observe_pair(answer, given):
            self._judge(Check.PREDICTIONS)

    def observe_quiet(self, challenger: int, champion: int) -> None:
        """Take requests of a canary that neither failed nor were slow, without their answers: as `observe` would."""
        self.challenger_requests += challenger
        self.champion_requests += champion
        self._timed += challenger
        for test in (self._errors, self._latency):
            if self.weight < 1:
                test.relative.observe_quiet(challenger + champion)
            else:
                test.absolute.observe_quiet(challenger)

    def next_stage(self, mode: Mode, weight: float) -> None:
        """Go on with another share: evidence carries on, and beside it every test begins anew."""
        self._settle()
        self.mode, self.weight = mode, weight
        for test in (self._errors, self._latency, self._disagreement, self._predictions):
            if test is not None:
                test.restart()

    def alarm(self) -> CheckState | None:
        """The check that condemned the challenger, as it stood then; None while nothing did."""
        return self._alarm

    def states(self) -> tuple[CheckState, ...]:
        """How far each check has come."""
        self._settle()
        return tuple(self._state(check) for check in CHECKS)

    def save(self) -> SavedGuard:
        self._settle()
        return SavedGuard(
            challenger_requests=self.challenger_requests,
            champion_requests=self.champion_requests,
            timed=self._timed,
            errors=self._errors.save(),
            latency=self._latency.save(),
            disagreement=self._disagreement.save(),
            predictions=None if self._predictions is None else self._predictions.save(),
            failed=tuple(sorted(self._failed)),
            alarm=self._alarm,
        )

    def resume(self, saved: SavedGuard) -> None:
        """Go on where a guard with the same rules and the same expectations stood, in the same stage."""
        self.challenger_requests, self.champion_requests = saved.challenger_requests, saved.champion_requests
        self._timed = saved.timed
        self._errors.resume(saved.errors)
        self._latency.resume(saved.latency)
        self._disagreement.resume(saved.disagreement)
        if self._predictions is not None and saved.predictions is not None:
            self._predictions.resume(saved.predictions)
        self._failed = set(saved.failed)
        self._alarm = saved.alarm

    def _take(self, test: RateTest, check: Check, challenger: bool, beside: bool, share: float) -> None:
        if beside:
            test.relative.observe(challenger=challenger, event=True, share=share)
        elif challenger:
            test.absolute.observe(event=True)
        if challenger:
            self._judge(check)

    def _place(self, test: ConcentrationTest, challenger: bool, answer: float) -> None:
        if math.isfinite(answer) and test.observe(challenger, answer, self.weight):
            self._judge(Check.PREDICTIONS)

    def _settle(self) -> None:
        if self._predictions is not None:
            self._predictions.settle(self.weight if self.mode is Mode.CANARY else 1.0)
            self._judge(Check.PREDICTIONS)

    def _judge(self, check: Check) -> None:
        """Only an event of the challenger raises evidence, so only then is there something to find."""
        if self._log_e(check) >= self._thresholds[check]:
            self._failed.add(check)
        if self._alarm is not None or check not in self._log_shares:
            return
        weighted = {voting: share + self._log_e(voting) for voting, share in self._log_shares.items()}
        if log_sum(list(weighted.values())) >= -math.log(self.rules.alpha):
            condemning = max(weighted, key=lambda voting: weighted[voting])
            self._failed.add(condemning)
            self._alarm = self._state(condemning)

    def _log_e(self, check: Check) -> float:
        match check:
            case Check.ERRORS:
                return self._errors.log_e
            case Check.LATENCY:
                return self._latency.log_e
            case Check.PREDICTIONS:
                return 0.0 if self._predictions is None else self._predictions.log_e
            case _:
                return self._disagreement.log_e

    def _state(self, check: Check) -> CheckState:
        return CheckState(
            check=check,
            outcome=Outcome.FAIL if check in self._failed else Outcome.INCONCLUSIVE,
            log_e=self._log_e(check),
            threshold_log_e=self._thresholds[check],
            observations=self._observations(check),
            votes=check in self.rules.votes,
            reason=self._reason(check),
        )

    def _observations(self, check: Check) -> int:
        match check:
            case Check.ERRORS:
                return self.challenger_requests
            case Check.LATENCY:
                return self._timed
            case Check.PREDICTIONS:
                return 0 if self._predictions is None else sum(self._predictions.answers)
            case _:
                return self._disagreement.observations

    def _reason(self, check: Check) -> str:
        beside = (self.challenger_requests, self.champion_requests)
        match check:
            case Check.ERRORS:
                return f"challenger failed {rates_in_words(self._errors, *beside)}"
            case Check.LATENCY:
                return f"challenger was slow in {rates_in_words(self._latency, *beside)}"
            case Check.PREDICTIONS:
                return predictions_in_words(self._predictions)
            case _:
                return disagreement_in_words(self._disagreement, self._distance)


def _predictions(expected: Expected, tolerated: float) -> ConcentrationTest | None:
    if not expected.challenger_deciles or not expected.champion_deciles:
        return None
    return ConcentrationTest(
        ReferenceBins(expected.challenger_deciles), ReferenceBins(expected.champion_deciles), tolerated
    )
