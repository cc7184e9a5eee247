"""Several workers share the queue of one version."""

import asyncio
import time
from collections import Counter

import orjson
import pytest

from gateway.batching.batcher import Batcher
from gateway.batching.limits import BatchLimits, RouterCost
from gateway.batching.outcomes import Answered, Crashed
from gateway.workers.worker import WorkerDied, WorkerSilent

LIMITS = BatchLimits(
    rows_max=64, pending_rows_max=1000, wait_seconds_max=1.0, batch_seconds=0.25, queue_seconds_max=0.5
)


class Workers:
    """Workers that need `seconds[number]` per batch; the one with the fewest batches takes the next."""

    def __init__(self, *seconds):
        self.seconds = seconds
        self.ready = set(range(len(seconds)))
        self.under_way = Counter()
        self.most_under_way = 0
        self.taken = Counter()
        self.rows = []
        self.lost = {}
        self.batcher = Batcher(self, LIMITS, RouterCost())

    @property
    def ready_count(self):
        return len(self.ready)

    async def predict(self, columns):
        (values,) = orjson.loads(columns)
        number = min(self.ready or range(len(self.seconds)), key=lambda each: (self.under_way[each], each))
        self.taken[number] += 1
        self.rows.append(len(values))
        self.under_way[number] += 1
        self.most_under_way = max(self.most_under_way, self.under_way[number])
        try:
            await asyncio.sleep(self.seconds[number])
        finally:
            self.under_way[number] -= 1
        if number in self.lost:
            self.ready.discard(number)
            raise self.lost[number](f"worker {number}")
        return values, ""

    async def keep_asking(self, client, requests):
        for number in range(requests):
            value = 1000 * client + number
            assert await self.batcher.submit([[value]], time.monotonic() + 10) == Answered([value])


async def ask_all(workers, clients, requests):
    await asyncio.gather(*(workers.keep_asking(client, requests) for client in range(clients)))


async def test_workers_compute_at_the_same_time_and_each_has_one_batch():
    workers = Workers(0.01, 0.01)
    started = time.monotonic()
    await ask_all(workers, clients=32, requests=20)
    assert workers.most_under_way == 1
    assert min(workers.taken.values()) > 0.3 * sum(workers.taken.values())
    assert 8 <= sorted(workers.rows)[len(workers.rows) // 2] <= 24  # the clients are shared out
    assert time.monotonic() - started > 0.01 * max(workers.taken.values())


async def test_the_next_free_worker_takes_the_next_batch():
    workers = Workers(0.2, 0.005)
    await ask_all(workers, clients=8, requests=20)
    assert workers.taken[1] > 3 * workers.taken[0]


async def test_a_slow_worker_makes_no_request_wait_in_vain():
    workers = Workers(0.45, 0.005)
    await ask_all(workers, clients=64, requests=5)  # each answer is checked: none is `Busy`
    assert workers.taken[0] > 0


@pytest.mark.parametrize("lost", [WorkerDied, WorkerSilent])
async def test_a_lost_batch_goes_to_another_worker(lost):
    workers = Workers(0.005, 0.005)
    workers.lost = {0: lost}
    await ask_all(workers, clients=16, requests=10)
    assert workers.taken[0] == 1
    assert workers.ready == {1}


async def test_the_queue_goes_on_with_the_worker_that_is_left_and_with_both_again():
    workers = Workers(0.005, 0.005)
    workers.lost = {0: WorkerDied}
    await ask_all(workers, clients=16, requests=10)
    workers.lost, workers.ready = {}, {0, 1}
    before = workers.taken[0]
    await ask_all(workers, clients=16, requests=10)
    assert workers.taken[0] > before + 3


async def test_rows_that_end_two_workers_are_sent_to_no_third_one():
    workers = Workers(0.001, 0.001, 0.001)
    workers.lost = dict.fromkeys(range(3), WorkerDied)
    outcome = await workers.batcher.submit([[1]], time.monotonic() + 10)
    assert isinstance(outcome, Crashed)
    assert sum(workers.taken.values()) == 2
    assert workers.ready_count == 1


async def test_a_large_request_is_answered_in_order_beside_small_ones():
    workers = Workers(0.002, 0.002)
    small = asyncio.create_task(ask_all(workers, clients=4, requests=20))
    large = await workers.batcher.submit([[n] for n in range(500)], time.monotonic() + 10)
    assert large == Answered(list(range(500)))
    await small
    assert (workers.batcher.pending_rows, workers.batcher.large_rows) == (0, 0)
