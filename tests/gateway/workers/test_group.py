"""The state of a version is made of the states of its workers."""

import pytest

from gateway.reporting.problems import ProblemBoard
from gateway.workers import group as groups
from gateway.workers.group import WorkerGroup
from gateway.workers.phase import WorkerEvent, WorkerPhase
from gateway.workers.timing import WorkerTiming
from gateway.workers.worker import Worker
from healing.release import ModelRef

MODEL = ModelRef(digest="a" * 64, version="1.0.0")
TIMING = WorkerTiming(batch_deadline=1.0, hang=1.0, load_deadline=1.0, backoff=0.01, backoff_max=0.01, deaths_max=3)
READY = (WorkerEvent.START, WorkerEvent.LOADED)
ASIDE = (WorkerEvent.START, WorkerEvent.ENDED, WorkerEvent.GAVE_UP)


def group_of(*events):
    """A group without processes, whose workers went through these events."""
    group = WorkerGroup([Worker(MODEL, None, None, None, ProblemBoard(), TIMING) for _ in events])
    for worker, its in zip(group.all, events, strict=True):
        for event in its:
            worker._happens(event)
    return group


@pytest.mark.parametrize(
    ("events", "state", "ready"),
    [
        ([READY, READY], WorkerPhase.READY, 2),
        ([READY, ASIDE], WorkerPhase.READY, 1),
        ([READY, (*READY, WorkerEvent.DEADLINE)], WorkerPhase.READY, 1),
        ([(*READY, WorkerEvent.DEADLINE), (*READY, WorkerEvent.ENDED)], WorkerPhase.SILENT, 0),
        ([(WorkerEvent.START,), ASIDE], WorkerPhase.STARTING, 0),
        ([ASIDE, ASIDE], WorkerPhase.SET_ASIDE, 0),
    ],
)
def test_a_version_is_as_near_to_answering_as_its_best_worker(events, state, ready):
    group = group_of(*events)
    assert (group.state, group.ready_count, group.ready) == (state, ready, ready > 0)
    assert group.complete == (ready == 2)


def test_a_version_is_settled_with_its_first_ready_worker_or_when_all_have_ended():
    assert group_of(READY, (WorkerEvent.START,)).settled
    group = group_of(ASIDE, ASIDE)
    group.all[0].settled.set()
    assert not group.settled
    group.all[1].settled.set()
    assert group.settled


def test_the_worker_that_is_missing_is_named_only_beside_a_ready_one(monkeypatch):
    group = group_of(READY, ASIDE)
    group.all[1].set_aside_because = "3 deaths within 60 s"
    assert list(group.missing()) == ["worker 2 of 2 of version 1.0.0 is set_aside: 3 deaths within 60 s; 1 answer"]
    assert list(group_of(ASIDE, ASIDE).missing()) == []
    starting = group_of(READY, (WorkerEvent.START,))
    assert list(starting.missing()) == []
    monkeypatch.setattr(groups, "_MISSING_SECONDS", 0.0)
    assert list(starting.missing()) == ["worker 2 of 2 of version 1.0.0 is starting; 1 answer"]
    assert list(group_of(READY, READY).missing()) == []


async def test_a_batch_goes_to_the_ready_worker_with_the_fewest_batches():
    group = group_of(READY, READY, ASIDE)
    asked = []
    for number, worker in enumerate(group.all):
        worker.predict = lambda _, number=number: _answer(asked, number)
    for busy, chosen in (((0, 0), 0), ((1, 0), 1), ((1, 2), 0)):
        group.all[0].batches_under_way, group.all[1].batches_under_way = busy
        await group.predict(b"")
        assert asked.pop() == chosen


async def _answer(asked, number):
    asked.append(number)
    return [], ""
