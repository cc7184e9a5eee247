"""A finding of `autopilot doctor`: something that is not as expected, and the command that fixes it."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """ERROR: a part does not work, or will not start. WARNING: it works, and somebody should know."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` is the name of the check that found it; `fix` is a command where there is one."""

    check: str
    severity: Severity
    subject: str
    expected: str
    found: str
    fix: str
