"""Common causes come first: what several models share at the same time is not the fault of one of them.

A restart, a rollback or a fence helps only if the model itself is bad. If every model that serves has the same problem,
or if the machine is under pressure, the models only show symptoms.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from healing.diagnosis import ProblemSignal
from healing.incident import Cause

_OF_ONE_MODEL = frozenset({Cause.MODEL_FAILING, Cause.MODEL_SLOW, Cause.MODEL_CORRUPT})

_SHARED_BY_THE_MACHINE = (Cause.RESOURCE_PRESSURE, Cause.DISK_FULL)


@dataclass(frozen=True, slots=True)
class CommonCauses:
    """The common causes that were considered for a problem of one model, and the one that explains it, if any.

    `affected` of the `serving` models have the problem.
    """

    considered: tuple[Cause, ...] = ()
    found: Cause | None = None
    affected: int = 0
    serving: int = 0


def consider_common_causes(cause: Cause, serving: Collection[str], problems: Sequence[ProblemSignal]) -> CommonCauses:
    """What `common_cause` decides for the same arguments, with what it considered."""
    if cause not in _OF_ONE_MODEL:
        return CommonCauses()
    considered = (Cause.STORE_UNAVAILABLE,) if cause is Cause.MODEL_CORRUPT else _SHARED_BY_THE_MACHINE
    affected = {problem.subject for problem in problems if problem.cause is cause}
    return CommonCauses(considered, common_cause(cause, serving, problems), len(affected), len(serving))


def common_cause(cause: Cause, serving: Collection[str], problems: Sequence[ProblemSignal]) -> Cause | None:
    """The cause that explains a problem of one model; None if the model itself may be bad.

    `serving` are the digests of the models that have a worker now, `problems` what the gateway reports at this moment.
    """
    if cause not in _OF_ONE_MODEL:
        return None
    if cause in (Cause.MODEL_FAILING, Cause.MODEL_SLOW):
        for shared in _SHARED_BY_THE_MACHINE:
            if any(problem.cause is shared for problem in problems):
                return shared
    affected = {problem.subject for problem in problems if problem.cause is cause}
    if len(serving) > 1 and affected >= set(serving):
        return Cause.STORE_UNAVAILABLE if cause is Cause.MODEL_CORRUPT else Cause.RESOURCE_PRESSURE
    return None
