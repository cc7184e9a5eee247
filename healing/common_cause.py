"""Common causes come first: what several models share at the same time is not the fault of one of them.

A restart, a rollback or a fence helps only if the model itself is bad. If every model that serves has the same problem,
or if the machine is under pressure, the models only show symptoms.
"""

from collections.abc import Collection, Sequence

from healing.diagnosis import ProblemSignal
from healing.incident import Cause

_OF_ONE_MODEL = frozenset({Cause.MODEL_FAILING, Cause.MODEL_SLOW, Cause.MODEL_CORRUPT})


def common_cause(cause: Cause, serving: Collection[str], problems: Sequence[ProblemSignal]) -> Cause | None:
    """The cause that explains a problem of one model; None if the model itself may be bad.

    `serving` are the digests of the models that have a worker now, `problems` what the gateway reports at this moment.
    """
    if cause not in _OF_ONE_MODEL:
        return None
    if cause in (Cause.MODEL_FAILING, Cause.MODEL_SLOW):
        for shared in (Cause.RESOURCE_PRESSURE, Cause.DISK_FULL):
            if any(problem.cause is shared for problem in problems):
                return shared
    affected = {problem.subject for problem in problems if problem.cause is cause}
    if len(serving) > 1 and affected >= set(serving):
        return Cause.STORE_UNAVAILABLE if cause is Cause.MODEL_CORRUPT else Cause.RESOURCE_PRESSURE
    return None
