"""Whether a challenger has earned the next stage: its own test, apart from the guard that looks for harm."""

import math
from dataclasses import dataclass
from enum import StrEnum

from healing.verdict import Outcome, Verdict

# Alternatives as parts of the tolerance, and how the bet is spread over them. A sound model has no errors at all, so
# most of the stake is on zero; the rest lets a model with a few transport errors pass too, later.
_ALTERNATIVES = ((0.0, 0.8), (0.125, 0.07), (0.25, 0.07), (0.5, 0.06))


class Decision(StrEnum):
    """What to do with a challenger at one look."""

    CONTINUE = "continue"
    PROMOTE = "promote"  # this stage is passed; after the last one the challenger becomes champion
    ABORT = "abort"  # the guard found harm
    INCONCLUSIVE = "inconclusive"  # the deadline came first; the challenger leaves, nobody is to blame


@dataclass(frozen=True, slots=True)
class StageRule:
    """What one stage asks of the challenger.

    `alpha` bounds the chance that a model whose error rate is the tolerance or worse passes, over all looks together.
    """

    requests_min: int
    deadline_seconds: float
    error_rate_tolerated: float
    alpha: float = 0.05


@dataclass(frozen=True, slots=True)
class Exposure:
    """What the challenger has been through in this stage. `guard` is the gateway's own verdict on harm."""

    requests: int
    errors: int
    elapsed_seconds: float
    guard: Outcome = Outcome.INCONCLUSIVE


def judge_errors(exposure: Exposure, rule: StageRule) -> Verdict:
    """PASS when an error rate of the tolerance or more is rejected, else INCONCLUSIVE; never FAIL.

    The statistic is an e-value: a mixture of likelihood ratios of error rates below the tolerance p0 against p0 itself.
    Under every rate of p0 or more it is a supermartingale, so by Ville's inequality it exceeds 1/alpha at *any* of the
    looks with a chance of at most alpha; a fixed-sample binomial test, looked at every second, would not hold that.
    Without errors it needs ln(1 / (0.8 alpha)) / -ln(1 - p0) requests: 160 at p0 = 2 % and alpha = 5 %.
    (Ramdas, Grünwald, Vovk & Shafer, *Game-theoretic statistics and safe anytime-valid inference*, 2023.)
    """
    log_e = _log_evidence(exposure.errors, exposure.requests, rule.error_rate_tolerated)
    threshold = -math.log(rule.alpha)
    enough = exposure.requests >= rule.requests_min
    return Verdict(
        check="promotion",
        outcome=Outcome.PASS if enough and log_e >= threshold else Outcome.INCONCLUSIVE,
        reason=(
            f"{exposure.errors} errors in {exposure.requests} requests (at least {rule.requests_min}), log e-value "
            f"against an error rate of {rule.error_rate_tolerated:g} or more"
        ),
        observations=exposure.requests,
        statistic=log_e,
        threshold=threshold,
    )


def judge_stage(exposure: Exposure, rule: StageRule) -> tuple[Decision, Verdict]:
    """The decision at this look, with the verdict behind it. Harm outranks promise, and promise the deadline."""
    verdict = judge_errors(exposure, rule)
    if exposure.guard is Outcome.FAIL:
        return Decision.ABORT, verdict
    if verdict.passed:
        return Decision.PROMOTE, verdict
    if exposure.elapsed_seconds >= rule.deadline_seconds:
        return Decision.INCONCLUSIVE, verdict
    return Decision.CONTINUE, verdict


def _log_evidence(errors: int, requests: int, tolerance: float) -> float:
    """Natural log of the mixture e-value; -inf when the observations rule out every alternative."""
    if not 0 < tolerance < 1 or not 0 <= errors <= requests:
        raise ValueError(
            f"expected a tolerance in (0, 1) and errors <= requests, found {tolerance}, {errors}/{requests}"
        )
    terms = []
    for part, weight in _ALTERNATIVES:
        rate = part * tolerance
        if rate == 0 and errors:
            continue
        on_errors = errors * math.log(part) if errors else 0.0
        terms.append(math.log(weight) + on_errors + (requests - errors) * math.log((1 - rate) / (1 - tolerance)))
    top = max(terms)
    return top + math.log(sum(math.exp(term - top) for term in terms))
