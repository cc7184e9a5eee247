"""A champion that is slow with many rows is compared with a fallback on the same rows; a busy machine is not blamed."""

import asyncio
from types import SimpleNamespace

import pytest

from gateway.batching.batcher import TimedBatch
from gateway.batching.slow_beside_fallback import SlowBesideFallback
from gateway.workers.worker import WorkerDied
from tests.published import SCHEMA

MULTIPLE, SECONDS_MIN = 3.0, 0.02
SLOW, QUICK = 0.12, 0.0


class Version:
    """Answers each batch after `seconds`; `slowest` is what its batcher took longest for."""

    def __init__(self, seconds, *, slowest=SLOW, schema=SCHEMA, ready=True, lost=False):
        self.seconds, self.lost, self.asked = seconds, lost, 0
        self.model = SimpleNamespace(version="1.0.0")
        self.manifest = SimpleNamespace(input_schema=schema)
        self.breaker = SimpleNamespace(closed=True)
        self.workers = SimpleNamespace(ready=ready, predict=self.predict)
        self.batcher = SimpleNamespace(take_slowest=lambda: TimedBatch(b"[[1]]", slowest) if slowest else None)

    async def predict(self, columns):
        self.asked += 1
        if self.lost:
            raise WorkerDied("gone")
        await asyncio.sleep(self.seconds)
        return [0.5], ""


async def looks(champion, fallbacks, count=5):
    beside = SlowBesideFallback(MULTIPLE, SECONDS_MIN)
    return [await beside.look(champion, fallbacks) for _ in range(count)]


async def test_a_champion_that_takes_far_longer_than_its_fallback_is_slow_after_five_comparisons():
    found = await looks(Version(SLOW), [Version(QUICK)])
    assert found[:4] == [""] * 4
    assert "takes version 1.0.0" in found[4]


@pytest.mark.parametrize(
    ("champion", "fallbacks"),
    [
        (Version(SLOW), [Version(SLOW)]),  # the machine is busy, or both models are so
        (Version(QUICK), [Version(QUICK)]),  # it was slow for a moment
        (Version(SLOW), []),
        (Version(SLOW), [Version(QUICK, ready=False)]),
        (Version(SLOW), [Version(QUICK, schema="another")]),
        (Version(SLOW), [Version(QUICK, lost=True)]),
        (Version(SLOW, slowest=0.0), [Version(QUICK)]),
    ],
)
async def test_it_is_not_slow_where_the_comparison_says_otherwise_or_cannot_be_made(champion, fallbacks):
    assert await looks(champion, fallbacks) == [""] * 5


async def test_batches_that_are_quick_enough_cost_no_comparison():
    champion = Version(SLOW, slowest=SECONDS_MIN / 2)
    await looks(champion, [Version(QUICK)])
    assert champion.asked == 0


async def test_one_quick_comparison_or_another_champion_begins_anew():
    champion, fallback = Version(SLOW), Version(QUICK)
    beside = SlowBesideFallback(MULTIPLE, SECONDS_MIN)
    for _ in range(5):
        found = await beside.look(champion, [fallback])
    assert found
    champion.seconds = QUICK
    assert await beside.look(champion, [fallback]) == ""
    champion.seconds = SLOW
    for _ in range(4):
        assert await beside.look(champion, [fallback]) == ""
    beside.forget()
    assert await beside.look(champion, [fallback]) == ""


async def test_after_a_restart_one_comparison_decides():
    champion, fallback = Version(SLOW), Version(QUICK)
    beside = SlowBesideFallback(MULTIPLE, SECONDS_MIN)
    for _ in range(5):
        await beside.look(champion, [fallback])
    beside.doubt()
    assert await beside.look(Version(SLOW, slowest=0.0), [fallback]) == ""  # no batch of the new process was slow yet
    assert await beside.look(champion, [fallback]) != ""
    beside.doubt()
    champion.seconds = QUICK
    assert await beside.look(champion, [fallback]) == ""
