"""What checks report about a batch: results of single checks, and findings that become incidents."""

from dataclasses import dataclass

from healing.incident import Cause, Remedy


@dataclass(frozen=True, slots=True)
class BatchFinding:
    """A problem of a batch that is an incident. `check` names the check; with `rejects` no row of it is accepted."""

    cause: Cause
    remedy: Remedy
    summary: str
    facts: dict[str, object]
    check: str = ""
    rejects: bool = False


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check of one batch. `failed` counts the rows that fail it; an `info` check does not quarantine them."""

    name: str
    severity: str
    failed: int
    examples: tuple[str, ...] = ()
