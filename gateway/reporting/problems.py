"""What is wrong right now, by cause and subject; shown at `/release`, and sent as an event when it begins.

Most problems are conditions: they are derived from the state of breakers, workers and streams whenever somebody reads
them, so nothing that is done about a problem can end it but the state itself.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from healing.incident import Cause

_log = structlog.get_logger(__name__)
Condition = tuple[Cause, str, str]  # cause, subject, message


@dataclass(frozen=True, slots=True)
class GatewayProblem:
    """One thing that is wrong. `subject` is a model's digest, or a directory."""

    code: Cause
    subject: str
    message: str
    since: datetime


class ProblemBoard:
    """`sources` give the conditions that hold now, other problems `begin` and `end`; `listeners` hear beginnings."""

    def __init__(self) -> None:
        self._stated: dict[tuple[Cause, str], GatewayProblem] = {}
        self._derived: dict[tuple[Cause, str], GatewayProblem] = {}
        self.sources: list[Callable[[], Iterable[Condition]]] = []
        self.listeners: list[Callable[[GatewayProblem], None]] = []

    def begin(self, code: Cause, subject: str, message: str) -> None:
        """State a problem; one that is already there keeps its beginning and takes the newer message."""
        self._take(self._stated, code, subject, message, self._stated.get((code, subject)))

    def end(self, subject: str, *codes: Cause) -> None:
        """Forget the stated problems of `subject` with these codes, or with any code when none is given."""
        for key in [k for k in self._stated if k[1] == subject and (not codes or k[0] in codes)]:
            del self._stated[key]
            _log.info("problem_ended", code=key[0], subject=subject)

    def has(self, code: Cause, subject: str) -> bool:
        self._derive()
        return (code, subject) in self._stated or (code, subject) in self._derived

    def current(self) -> list[GatewayProblem]:
        """All problems now, the oldest first."""
        self._derive()
        problems = {**self._derived, **self._stated}
        return sorted(problems.values(), key=lambda problem: problem.since)

    def _derive(self) -> None:
        known, self._derived = self._derived, {}
        for source in self.sources:
            for code, subject, message in source():
                self._take(self._derived, code, subject, message, known.get((code, subject)))
        for code, subject in known.keys() - self._derived.keys():
            _log.info("problem_ended", code=code, subject=subject)

    def _take(
        self,
        problems: dict[tuple[Cause, str], GatewayProblem],
        code: Cause,
        subject: str,
        message: str,
        known: GatewayProblem | None,
    ) -> None:
        problem = GatewayProblem(code, subject, message, known.since if known else datetime.now(UTC))
        problems[code, subject] = problem
        if known is None:
            _log.warning("problem_began", code=code, subject=subject, message=message)
            for listener in self.listeners:
                listener(problem)
