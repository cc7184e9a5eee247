"""The guard of one trial: it turns the evidence of the checks into one decision, whether to abort the challenger.

The gateway feeds it every request, the replay of logged traffic and the benchmark feed it the same way. The rules are
fixed before the trial begins. Each check is an e-process; their mean, weighted by `share_of_alpha`, is one too. So
`rules.alpha` bounds the probability that a challenger within all tolerances is ever aborted, over all stages, checks
and observations.
"""

import math
from dataclasses import dataclass

from healing.release import Mode
from healing.sequential.concentration import ConcentrationTest
from healing.sequential.detector import log_sum
from healing.sequential.rate import RateTest
from healing.trial_evidence import GUARD_CHECKS, Expected, SavedEvidence, TrialEvidence
from healing.trial_rules import CheckState, TrialCheck, TrialRules, share_of_alpha
from healing.verdict import Outcome


@dataclass(frozen=True, slots=True)
class SavedGuard:
    """The state of a guard, to resume it in another process. Plain values, so that any JSON library can write it."""

    evidence: SavedEvidence
    failed: tuple[TrialCheck, ...]
    aborted_by: CheckState | None


class TrialGuard:
    """Feed it every request of a trial, and read `aborted_by`.

    >>> guard = TrialGuard(TrialRules(), Mode.CANARY, 0.05, Expected())
    >>> for _ in range(6):
    ...     guard.observe(challenger=True, failed=True, slow=False, answer=None)
    >>> guard.aborted_by.check
    <TrialCheck.ERRORS: 'errors'>
    """

    def __init__(self, rules: TrialRules, mode: Mode, weight: float, expected: Expected) -> None:
        self.rules = rules
        self.mode = mode
        self.weight = weight
        alphas = {check: rules.alpha * share_of_alpha(check, rules) for check in GUARD_CHECKS}
        self._thresholds = {check: -math.log(alpha) for check, alpha in alphas.items()}
        self._log_shares = {
            check: math.log(share_of_alpha(check, rules)) for check in GUARD_CHECKS if check in rules.votes
        }
        self._evidence = TrialEvidence(rules, expected, alphas)
        self._failed: set[TrialCheck] = set()
        self._aborted_by: CheckState | None = None

    @property
    def aborted_by(self) -> CheckState | None:
        """The check that aborts the trial, as it was at that moment; None while none does. It never changes back."""
        return self._aborted_by

    @property
    def challenger_requests(self) -> int:
        """The challenger's requests over all stages; in shadow, copies."""
        return self._evidence.challenger_requests

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

        `slow` is None while there is no limit, `answer` where the arm gave none. Only the first error of a route key is
        evidence, because a client that retries is one observation; later errors of the key are ignored entirely.
        `slow_share` is the challenger's share of what is timed where that is not its weight, for example when batches
        are timed instead of requests.
        """
        evidence = self._evidence
        evidence.challenger_requests += challenger
        evidence.champion_requests += not challenger
        beside = self.weight < 1
        if failed:
            if route_key_is_new:
                self._take(evidence.errors, TrialCheck.ERRORS, challenger, beside, self.weight)
        else:
            evidence.errors.pass_over(challenger, beside)
        if slow is not None:
            evidence.timed += challenger
            if slow:
                share = self.weight if slow_share is None else slow_share
                self._take(evidence.latency, TrialCheck.LATENCY, challenger, beside, share)
            else:
                evidence.latency.pass_over(challenger, beside)
        if answer is not None and evidence.predictions is not None:
            self._place(evidence.predictions, challenger, answer)

    def observe_pair(self, failed: bool, slow: bool | None, answer: float | None, given: float) -> None:
        """Take one copy that the challenger scored in shadow, or failed on; `given` is the client's answer."""
        evidence = self._evidence
        evidence.challenger_requests += 1
        evidence.errors.absolute.observe(event=failed)
        if failed:
            self._judge(TrialCheck.ERRORS)
        if slow is not None:
            evidence.timed += 1
            evidence.latency.absolute.observe(event=slow)
            if slow:
                self._judge(TrialCheck.LATENCY)
        if answer is None or not math.isfinite(answer) or not math.isfinite(given):
            return
        if evidence.distance is not None:
            disagrees = abs(answer - given) > evidence.distance
            evidence.disagreement.observe(event=disagrees)
            if disagrees:
                self._judge(TrialCheck.DISAGREEMENT)
        if evidence.predictions is not None and evidence.predictions.observe_pair(answer, given):
            self._judge(TrialCheck.PREDICTIONS)

    def observe_quiet(self, challenger: int, champion: int) -> None:
        """Take many requests of a canary that neither failed nor were slow, without answers; `observe` one by one."""
        evidence = self._evidence
        evidence.challenger_requests += challenger
        evidence.champion_requests += champion
        evidence.timed += challenger
        for test in (evidence.errors, evidence.latency):
            if self.weight < 1:
                test.relative.observe_quiet(challenger + champion)
            else:
                test.absolute.observe_quiet(challenger)

    def next_stage(self, mode: Mode, weight: float) -> None:
        """Continue with another share: the evidence stays, and every test begins another run."""
        self._settle()
        self.mode, self.weight = mode, weight
        self._evidence.restart()

    def states(self) -> tuple[CheckState, ...]:
        """The state of each check."""
        self._settle()
        return tuple(self._state(check) for check in GUARD_CHECKS)

    def save(self) -> SavedGuard:
        self._settle()
        return SavedGuard(self._evidence.save(), tuple(sorted(self._failed)), self._aborted_by)

    def resume(self, saved: SavedGuard) -> None:
        """Continue from the state of a guard with the same rules and expectations, in the same stage."""
        self._evidence.resume(saved.evidence)
        self._failed = set(saved.failed)
        self._aborted_by = saved.aborted_by

    def _take(self, test: RateTest, check: TrialCheck, challenger: bool, beside: bool, share: float) -> None:
        if beside:
            test.relative.observe(challenger=challenger, event=True, share=share)
        elif challenger:
            test.absolute.observe(event=True)
        if challenger:
            self._judge(check)

    def _place(self, test: ConcentrationTest, challenger: bool, answer: float) -> None:
        if math.isfinite(answer) and test.observe(challenger, answer, self.weight):
            self._judge(TrialCheck.PREDICTIONS)

    def _settle(self) -> None:
        predictions = self._evidence.predictions
        if predictions is not None:
            predictions.settle(self.weight if self.mode is Mode.CANARY else 1.0)
            self._judge(TrialCheck.PREDICTIONS)

    def _judge(self, check: TrialCheck) -> None:
        """Compare the evidence with its thresholds; only an event of the challenger can raise it."""
        log_e = self._evidence.log_e
        if log_e(check) >= self._thresholds[check]:
            self._failed.add(check)
        if self._aborted_by is not None or check not in self._log_shares:
            return
        weighted = {voting: share + log_e(voting) for voting, share in self._log_shares.items()}
        if log_sum(list(weighted.values())) >= -math.log(self.rules.alpha):
            strongest = max(weighted, key=lambda voting: weighted[voting])
            self._failed.add(strongest)
            self._aborted_by = self._state(strongest)

    def _state(self, check: TrialCheck) -> CheckState:
        return CheckState(
            check=check,
            outcome=Outcome.FAIL if check in self._failed else Outcome.INCONCLUSIVE,
            log_e=self._evidence.log_e(check),
            threshold_log_e=self._thresholds[check],
            observations=self._evidence.observations(check),
            votes=check in self.rules.votes,
            reason=self._evidence.in_words(check),
        )
