"""Something about a batch that is an incident, and what the contract does about it."""

from dataclasses import dataclass

from healing.incident import Cause, Remedy


@dataclass(frozen=True, slots=True)
class Finding:
    """An incident about a batch. `check` names what found it; a finding that `rejects` lets none of the rows in."""

    cause: Cause
    remedy: Remedy
    summary: str
    facts: dict[str, object]
    check: str = ""
    rejects: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one batch: how many rows it keeps out (`failed`), or only remarks on where it is an `info`."""

    name: str
    severity: str
    failed: int
    examples: tuple[str, ...] = ()
