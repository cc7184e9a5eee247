import itertools

import pytest

from gateway.workers.phase import WorkerEvent, WorkerPhase, after
from gateway.workers.restarts import DEATHS_WINDOW_SECONDS, RestartRecord
from gateway.workers.timing import WorkerTiming

P, E = WorkerPhase, WorkerEvent
TIMING = WorkerTiming(1.0, 5.0, 60.0, backoff=0.1, backoff_max=1.0, deaths_max=5)
MOVES = {
    (P.STARTING, E.LOADED): P.READY,
    (P.STARTING, E.ENDED): P.FAILED,
    (P.READY, E.DEADLINE): P.SILENT,
    (P.READY, E.ENDED): P.FAILED,
    (P.SILENT, E.ANSWERED): P.READY,
    (P.SILENT, E.ENDED): P.FAILED,
    (P.FAILED, E.START): P.STARTING,
    (P.FAILED, E.GAVE_UP): P.SET_ASIDE,
    (P.SET_ASIDE, E.START): P.STARTING,
}


@pytest.mark.parametrize(("phase", "event"), itertools.product(WorkerPhase, WorkerEvent))
def test_every_phase_takes_every_event(phase, event):
    wanted = P.STOPPED if event is E.STOP else MOVES.get((phase, event), phase)
    assert after(phase, event) is wanted


def test_only_loading_or_a_late_answer_makes_a_worker_ready():
    ways = {
        event for phase, event in itertools.product(P, E) if phase is not P.READY and after(phase, event) is P.READY
    }
    assert ways == {E.LOADED, E.ANSWERED}


def test_the_pause_doubles_up_to_its_bound_and_begins_anew_after_a_quiet_minute():
    record = RestartRecord(TIMING)
    pauses = []
    for number in range(6):
        record.died(now=10.0 * number)
        pauses.append(record.pause_seconds)
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    record.died(now=200.0)
    assert record.pause_seconds == 0.1


def test_five_deaths_within_a_minute_are_too_many_and_are_forgotten_on_request():
    record = RestartRecord(TIMING)
    assert [record.died(now) for now in (0, 20, 40, 60, 80)] == [False] * 5
    record.clear()
    assert [record.died(now) for now in (100, 101, 102, 103, 104)] == [False] * 4 + [True]
    record.clear()
    assert record.pause_seconds == 0.1
    assert not record.died(105)


def test_on_probation_the_next_death_within_a_minute_is_one_too_many():
    record = RestartRecord(TIMING)
    record.put_on_probation(now=100)
    assert record.died(101)
    record.put_on_probation(now=200)
    assert not record.died(200 + DEATHS_WINDOW_SECONDS + 1)
