"""Whether a challenger has earned the next stage: its own test, apart from the guard that looks for harm."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from healing.trial_rules import Check, CheckState, TrialRules, controllers_share_of_alpha
from healing.verdict import Outcome, Verdict

# Alternatives as parts of the tolerance, and how the bet is spread over them. A sound model has no errors at all, so
# most of the stake is on zero; the rest lets a model with a few transport errors pass too, later.
_BETTER = ((0.0, 0.8), (0.125, 0.07), (0.25, 0.07), (0.5, 0.06))
_WORSE_RATES = (0.03, 0.1, 0.3, 0.6, 0.95)  # error rates a harmful model is suspected of, equally; those above p0 count


class Decision(StrEnum):
    """What to do with a challenger at one look."""

    CONTINUE = "continue"
    PROMOTE = "promote"  # this stage is passed; after the last one the challenger becomes champion
    ABORT = "abort"  # a check with a vote found harm
    INCONCLUSIVE = "inconclusive"  # the deadline came first; nobody is to blame
    NODATA = "nodata"  # the deadline came, and not one request had come to the challenger


@dataclass(frozen=True, slots=True)
class StageRule:
    """What one stage asks of the challenger: requests and seconds at least, and a decision by the deadline.

    Over all looks together, `alpha` bounds the chance that a model whose error rate is the tolerance or worse passes,
    and `harm_alpha` the chance that one within the tolerance is called harmful (see `harm_alpha_of`).
    """

    requests_min: int
    deadline_seconds: float
    error_rate_tolerated: float
    alpha: float = 0.05
    harm_alpha: float = 0.001
    seconds_min: float = 0.0


def harm_alpha_of(rules: TrialRules, stages: int) -> float:
    """What `judge_harm` may spend in each of so many stages, so that with the checks the trial spends `rules.alpha`."""
    return rules.alpha * controllers_share_of_alpha(rules) / stages


@dataclass(frozen=True, slots=True)
class Exposure:
    """What the challenger has been through in this stage, and the champion beside it.

    `guard` is the gateway's own verdict on harm; `checks` is how far each check has come, over the whole trial.
    """

    requests: int
    errors: int
    elapsed_seconds: float
    guard: Outcome = Outcome.INCONCLUSIVE
    champion_requests: int = 0
    champion_errors: int = 0
    checks: tuple[CheckState, ...] = ()

    @property
    def condemning(self) -> CheckState | None:
        """The first check with a vote that found harm."""
        return next((check for check in self.checks if check.votes and check.outcome is Outcome.FAIL), None)


def judge_errors(exposure: Exposure, rule: StageRule) -> Verdict:
    """PASS when an error rate of the tolerance or more is rejected, else INCONCLUSIVE; never FAIL.

    The statistic is an e-value: a mixture of likelihood ratios of error rates below the tolerance p0 against p0 itself.
    Under every rate of p0 or more it is a supermartingale, so by Ville's inequality it exceeds 1/alpha at *any* of the
    looks with a chance of at most alpha; a fixed-sample binomial test, looked at every second, would not hold that.
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


def judge_harm(exposure: Exposure, rule: StageRule) -> Verdict:
    """FAIL when an error rate within the tolerance is rejected, else INCONCLUSIVE; never PASS.

    The gateway's guard is quicker, for it sees every request. This one does not starve when a breaker has taken the
    challenger's traffic away. It blames nobody while the champion fails too: that is an outage, not a bad model.
    """
    p0 = rule.error_rate_tolerated
    rates = [rate for rate in _WORSE_RATES if rate > p0] or [(1 + p0) / 2]
    worse = [(rate / p0, 1 / len(rates)) for rate in rates]
    log_e = _log_evidence(exposure.errors, exposure.requests, p0, worse)
    threshold = -math.log(rule.harm_alpha)
    outage = exposure.champion_errors > p0 * exposure.champion_requests
    return Verdict(
        check=Check.ERRORS,
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
    """The decision at this look, with the verdict behind it. Harm outranks promise, and promise the deadline.

    So evidence that comes after the deadline, while the caller still holds the trial, decides as before.
    """
    condemning = exposure.condemning
    if condemning is not None:
        return Decision.ABORT, _verdict_of(condemning)
    harm, promise = judge_harm(exposure, rule), judge_errors(exposure, rule)
    if exposure.guard is Outcome.FAIL or harm.failed:
        return Decision.ABORT, harm
    if promise.passed:
        return Decision.PROMOTE, promise
    if exposure.elapsed_seconds < rule.deadline_seconds:
        return Decision.CONTINUE, promise
    return Decision.INCONCLUSIVE if exposure.requests else Decision.NODATA, promise


def requests_needed(exposure: Exposure, rule: StageRule) -> int:
    """How many further requests without an error the challenger needs to pass the stage; 0 when it has enough.

    What `seconds_min` still asks for is not in it.
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
            continue  # an alternative without errors is ruled out by one
        on_errors = errors * math.log(part) if errors else 0.0
        terms.append(math.log(weight) + on_errors + (requests - errors) * math.log((1 - rate) / (1 - tolerance)))
    top = max(terms)
    return top + math.log(sum(math.exp(term - top) for term in terms))
