"""What to do about a trial that did not recover, in one sentence per way to fail."""

from chaos.outcome import DrillOutcome
from chaos.verdict import Exit

__all__ = ["advice_for"]

_BY_EXIT = {
    Exit.NOT_STEADY: "The stack was not healthy before the fault. Run `autopilot status`, wait until no incident is "
    "open, and run the drill again.",
    Exit.FAULT_NOT_PROVEN: "The fault had no measured effect, so the trial shows nothing. Check that the target exists "
    "and that the drill may change it.",
    Exit.HARNESS_FAILED: "The harness failed, not the system. Read chaos.log and console.log in the trial's record.",
    Exit.ABORTED: "The trial was stopped. Run `autopilot drill clear` if faults are left, then run it again.",
}


def advice_for(outcome: DrillOutcome) -> str:
    """The advice; empty for a trial that recovered."""
    if outcome.exit is Exit.RECOVERED:
        return ""
    return _BY_EXIT.get(outcome.exit) or _advice_after_the_fault(outcome)


def _advice_after_the_fault(outcome: DrillOutcome) -> str:
    found = [advice for applies, advice in _in_order(outcome) if applies]
    return found[0]


def _in_order(outcome: DrillOutcome) -> list[tuple[bool, str]]:
    """Each way to fail with its advice, the most telling first."""
    missed = bool(outcome.expected_causes) and not set(outcome.causes) & set(outcome.expected_causes)
    return [
        (outcome.ablated is not None, f"Expected: the remedy {outcome.ablated} was disabled for this trial."),
        (
            outcome.requests.wrong > 0,
            "Wrong answers reached clients. Compare answers.jsonl with reference.json in the trial's record.",
        ),
        (
            missed,
            f"No incident of {', '.join(outcome.expected_causes)} was opened: the detector did not see the fault.",
        ),
        (
            bool(outcome.expected_causes) and not outcome.remedies,
            "The incident was opened and no remedy started: read its decisions with `autopilot incident explain`.",
        ),
        (
            outcome.requests.failed > 0,
            "Requests failed. 503 OVERLOADED is load shedding: run it again on a machine without other work.",
        ),
        (
            True,
            "A remedy ran and service was not restored in time: read `autopilot incident explain` and ledger.jsonl.",
        ),
    ]
