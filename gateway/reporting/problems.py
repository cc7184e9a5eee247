"""What is wrong right now, by cause and subject; shown at `/release`, and sent as an event when it begins."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from healing.incident import Cause

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class GatewayProblem:
    """One thing that is wrong. `subject` is a model's digest, or a directory."""

    code: Cause
    subject: str
    message: str
    since: datetime


class ProblemBoard:
    """Problems begin, are told once, and end. `listeners` hear of each beginning."""

    def __init__(self) -> None:
        self._problems: dict[tuple[Cause, str], GatewayProblem] = {}
        self.listeners: list[Callable[[GatewayProblem], None]] = []

    def begin(self, code: Cause, subject: str, message: str) -> None:
        """State a problem; one that is already there keeps its beginning and takes the newer message."""
        known = self._problems.get((code, subject))
        problem = GatewayProblem(code, subject, message, known.since if known else datetime.now(UTC))
        self._problems[code, subject] = problem
        if known is None:
            _log.warning("problem_began", code=code, subject=subject, message=message)
            for listener in self.listeners:
                listener(problem)

    def end(self, subject: str, *codes: Cause) -> None:
        """Forget the problems of `subject` with these codes, or with any code when none is given."""
        for key in [k for k in self._problems if k[1] == subject and (not codes or k[0] in codes)]:
            del self._problems[key]
            _log.info("problem_ended", code=key[0], subject=subject)

    def has(self, code: Cause, subject: str) -> bool:
        return (code, subject) in self._problems

    def current(self) -> list[GatewayProblem]:
        return sorted(self._problems.values(), key=lambda problem: problem.since)
