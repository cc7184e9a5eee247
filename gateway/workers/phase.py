"""The phases of a worker and the events that lead from one to the next, as one table."""

from enum import StrEnum


class WorkerPhase(StrEnum):
    """Only a ready worker gets batches."""

    STARTING = "starting"
    READY = "ready"
    SILENT = "silent"  # past the deadline of a batch; it may still answer, and is killed if it does not
    FAILED = "failed"  # ended, and waiting for its restart
    SET_ASIDE = "set_aside"  # ended too often; waits for a new release or an operator
    STOPPED = "stopped"  # for good: no release names its model any more


class WorkerEvent(StrEnum):
    """What happens to a worker."""

    START = "start"  # a process is about to be started
    LOADED = "loaded"  # the model is verified and warm
    DEADLINE = "deadline"  # a batch was not answered in time
    ANSWERED = "answered"  # the batch that was late is answered after all
    ENDED = "ended"  # the process ended, or could not be started
    GAVE_UP = "gave_up"  # it ended too often
    STOP = "stop"


_P, _E = WorkerPhase, WorkerEvent
_TRANSITIONS = {
    (_P.STARTING, _E.START): _P.STARTING,
    (_P.FAILED, _E.START): _P.STARTING,
    (_P.SET_ASIDE, _E.START): _P.STARTING,
    (_P.STARTING, _E.LOADED): _P.READY,
    (_P.READY, _E.DEADLINE): _P.SILENT,
    (_P.SILENT, _E.ANSWERED): _P.READY,
    (_P.STARTING, _E.ENDED): _P.FAILED,
    (_P.READY, _E.ENDED): _P.FAILED,
    (_P.SILENT, _E.ENDED): _P.FAILED,
    (_P.FAILED, _E.GAVE_UP): _P.SET_ASIDE,
    **{(phase, _E.STOP): _P.STOPPED for phase in _P},
}


def after(phase: WorkerPhase, event: WorkerEvent) -> WorkerPhase:
    """The phase that follows; the same one where the event means nothing in it.

    Events may come late: a second batch misses its deadline, or an answer arrives when the process has ended.
    """
    return _TRANSITIONS.get((phase, event), phase)
