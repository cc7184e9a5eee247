"""Decision on one stage of a trial: whether the challenger has earned the next stage, or its error rate is too high."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from healing.trial_rules import CheckState, TrialCheck, TrialRules, controllers_share_of_alpha
from healing.verdict import Outcome, Verdict

# Alternatives as multiples of the tolerance, and how the bet is spread over them. A sound model has no errors at all,
# so most of the stake is on zero; the rest lets a model with a few transport errors pass too, later.
_BETTER = ((0.0, 0.8), (0.125, 0.07), (0.25, 0.07), (0.5, 0.06))
_WORSE_RATES = (0.03, 0.1, 0.3, 0.6, 0.95)  # error rates of a bad model, weighted equally; those above p0 are used


class Decision(StrEnum):
    """What to do with a challenger after one observation."""

    CONTINUE = "continue"
    PROMOTE = "promote"  # this stage is passed; after the last one the challenger becomes champion
    ABORT = "abort"  # a check with a vote failed
    INCONCLUSIVE = "inconclusive"  # the deadline came first
    NODATA = "nodata"  # the deadline came first, and the challenger got no request


@dataclass(frozen=True, slots=True)
class StageRule:
    """What one stage requires: a minimum of requests and seconds, and a decision by the deadline.

    Over all observations of the stage, `alpha` bounds the probability that a model whose error rate is the tolerance or
    worse passes, and `abort_alpha` the probability that one within the tolerance is aborted (see `abort_alpha_of`).
    """

    requests_min: int
    deadline_seconds: float
    error_rate_tolerated: float
    alpha: float = 0.05
    abort_alpha: float = 0.001
    seconds_min: float = 0.0


def abort_alpha_of(rules: TrialRules, stages: int) -> float:
    """The `abort_alpha` of each of `stages` stages, so that with all checks the trial spends `rules.alpha`."""
    return rules.alpha * controllers_share_of_alpha(rules) / stages


@dataclass(frozen=True, slots=True)
class Exposure:
    """Requests and errors of both arms in this stage.

    `guard` is the verdict of the gateway's trial guard; `checks` are the states of the checks over the whole trial.
    """

    requests: int
    errors: int
    elapsed_seconds: float
    guard: Outcome = Outcome.INCONCLUSIVE
    champion_requests: int = 0
    champion_errors: int = 0
    checks: tuple[CheckState, ...] = ()

    @property
    def failed_check(self) -> CheckState | None:
        """The first failed check with a vote."""
        return next((check for check in self.checks if check.votes and check.outcome is Outcome.FAIL), None)


def judge_promotion(exposure: Exposure, rule: StageRule) -> Verdict:
    """PASS when an error rate of the tolerance or more is rejected, else INCONCLUSIVE; never FAIL.

    The statistic is an e-value: a mixture of likelihood ratios of error rates below the tolerance p0 against p0 itself.
    Under every rate of p0 or more it is a supermartingale, so by Ville's inequality the probability that it exceeds
    1/alpha at *any* observation is at most alpha; a fixed-sample binomial test repeated every second has no such bound.
    Without errors at most ln(1 / (0.8 alpha)) / -ln(1 - p0) requests are needed: 154 at p0 = 2 % and alpha = 5 %.
    (Ramdas, Grünwald, Vovk & Shafer, *Game-theoretic statistics and safe anytime-valid inference*, 2023.)
    """
    log_e = _log_evidence(exposure.errors, exposure.requests, rule.error_rate_tolerated)
    threshold = -math.log(rule.alpha)
    enough = exposure.requests >= rule.requests_min and exposure.elapsed_seconds >= rule.seconds_min
    return Verdict(
        check="promotion",
        outcome=Outcome.PASS if enough and log_e >= threshold else Outcome.INCONCLUSIVE,
        reason=(
            f"{exposure.errors} errors in {exposure.requests} requests (at least {rule.requests_min}, and "
            f"{rule.seconds_min:g} s), log e-value against an error rate of {rule.error_rate_tolerated:g} or more"
        ),
        observations=exposure.requests,
        statistic=log_e,
        threshold=threshold,
    )


def judge_abort(exposure: Exposure, rule: StageRule) -> Verdict:
    """FAIL when an error rate within the tolerance is rejected, else INCONCLUSIVE; never PASS.

    The gateway's guard is faster, because it sees every request. This test still gets evidence when a circuit breaker
    keeps requests from the challenger. It never fails while the champion's error rate is above the tolerance too: that
    is an outage, not a bad model.
    """
    p0 = rule.error_rate_tolerated
    rates = [rate for rate in _WORSE_RATES if rate > p0] or [(1 + p0) / 2]
    worse = [(rate / p0, 1 / len(rates)) for rate in rates]
    log_e = _log_evidence(exposure.errors, exposure.requests, p0, worse)
    threshold = -math.log(rule.abort_alpha)
    outage = exposure.champion_errors > p0 * exposure.champion_requests
    return Verdict(
        check=TrialCheck.ERRORS,
        outcome=Outcome.FAIL if log_e >= threshold and not outage else Outcome.INCONCLUSIVE,
        reason=(
            f"{exposure.errors} errors in {exposure.requests} requests, log e-value against an error rate of "
            f"{p0:g} or less{'; the champion fails too' if outage else ''}"
        ),
        observations=exposure.requests,
        statistic=log_e,
        threshold=threshold,
    )


def judge_stage(exposure: Exposure, rule: StageRule) -> tuple[Decision, Verdict]:
    """The decision after this observation, and the verdict that it follows from.

    Abort comes before promote, and promote before the deadline: evidence that arrives while the caller still holds the
    trial after its deadline decides as it did before.
    """
    failed = exposure.failed_check
    if failed is not None:
        return Decision.ABORT, _verdict_of(failed)
    abort, promotion = judge_abort(exposure, rule), judge_promotion(exposure, rule)
    if exposure.guard is Outcome.FAIL or abort.failed:
        return Decision.ABORT, abort
    if promotion.passed:
        return Decision.PROMOTE, promotion
    if exposure.elapsed_seconds < rule.deadline_seconds:
        return Decision.CONTINUE, promotion
    return Decision.INCONCLUSIVE if exposure.requests else Decision.NODATA, promotion


def requests_needed(exposure: Exposure, rule: StageRule) -> int:
    """How many further requests without an error the challenger needs to pass the stage; 0 when it has enough.

    Does not include what `seconds_min` still requires.
    """

    def passes(further: int) -> bool:
        requests = exposure.requests + further
        evidence = _log_evidence(exposure.errors, requests, rule.error_rate_tolerated)
        return requests >= rule.requests_min and evidence >= -math.log(rule.alpha)

    enough = 1
    while not passes(enough):
        enough *= 2
    return bisect_left(range(enough), True, key=passes)  # evidence only grows with requests that do not fail


def _verdict_of(check: CheckState) -> Verdict:
    return Verdict(check.check, check.outcome, check.reason, check.observations, check.log_e, check.threshold_log_e)


def _log_evidence(
    errors: int, requests: int, tolerance: float, alternatives: Sequence[tuple[float, float]] = _BETTER
) -> float:
    """Natural log of the mixture e-value over `alternatives`: (error rate as a multiple of the tolerance, weight)."""
    if not 0 < tolerance < 1 or not 0 <= errors <= requests:
        raise ValueError(
            f"expected a tolerance in (0, 1) and errors <= requests, found {tolerance}, {errors}/{requests}"
        )
    terms = []
    for part, weight in alternatives:
        rate = part * tolerance
        if rate == 0 and errors:
            continue  # one error rules out an alternative without errors
        on_errors = errors * math.log(part) if errors else 0.0
        terms.append(math.log(weight) + on_errors + (requests - errors) * math.log((1 - rate) / (1 - tolerance)))
    top = max(terms)
    return top + math.log(sum(math.exp(term - top) for term in terms))
