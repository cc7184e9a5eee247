"""How the requests of a load ended: right, wrong, degraded, refused because the machine is busy, or failed."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus

import orjson

from chaos.load import Answer, Lost

_TOLERANCE = 1e-6  # JSON keeps more; a wrong model is off by far more


class RequestOutcome(StrEnum):
    """How one request ended. Only `WRONG` and `FAILED` are faults of the gateway."""

    RIGHT = "right"
    WRONG = "wrong"  # 200 with an answer that the version which signed it would not give
    SHED = "shed"  # 503 OVERLOADED: more waits than can be answered in time, and the client may try again
    UNSENT = "unsent"  # the client had too many unanswered requests
    FAILED = "failed"


@dataclass(frozen=True)
class Oracle:
    """What each version answers, by digest: its predictions in the order of the rows asked, one row per request."""

    answers: Mapping[str, Sequence[float]]
    baseline: float

    def is_right(self, answer: Answer) -> bool:
        if len(answer.predictions) != 1:
            return False
        if answer.rung == "baseline":
            expected = self.baseline
        elif answer.digest in self.answers:
            expected = self.answers[answer.digest][int(answer.row)]
        else:
            return False
        return abs(answer.predictions[0] - expected) <= _TOLERANCE


@dataclass
class Tally:
    """Counts over all requests so far; `reasons` says why requests were refused or failed."""

    outcomes: Counter[RequestOutcome] = field(default_factory=Counter)
    rungs: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def take(self, answers: Iterable[Answer], oracle: Oracle) -> "Tally":
        """Count the answers; returns the counts of these alone."""
        these = Tally()
        for answer in answers:
            outcome, reason = outcome_of(answer, oracle)
            these.outcomes[outcome] += 1
            if answer.rung:
                these.rungs[answer.rung] += 1
            if reason:
                these.reasons[reason] += 1
        self.outcomes += these.outcomes
        self.rungs += these.rungs
        self.reasons += these.reasons
        return these

    @property
    def degraded(self) -> int:
        return self.rungs["fallback"] + self.rungs["baseline"]


def outcome_of(answer: Answer, oracle: Oracle) -> tuple[RequestOutcome, str]:
    """How a request ended, and why where it was not answered."""
    if answer.lost is Lost.UNSENT:
        return RequestOutcome.UNSENT, ""
    if answer.status is None:
        return RequestOutcome.FAILED, f"{answer.lost}: {answer.error}"
    if answer.status == HTTPStatus.OK:
        return (RequestOutcome.RIGHT if oracle.is_right(answer) else RequestOutcome.WRONG), ""
    code = _code_of(answer.error)
    reason = f"{answer.status} {code}"
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE and code == "OVERLOADED":
        return RequestOutcome.SHED, reason
    return RequestOutcome.FAILED, reason


def _code_of(error: str) -> str:
    """`error_code` of a refusal, of which the record may have the first characters only."""
    try:
        return str(orjson.loads(error)["error_code"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return error.partition('"error_code":"')[2].partition('"')[0] or "without a code"
