import asyncio
import math
import time

import orjson
import pytest

from gateway.batching.batcher import Batcher
from gateway.batching.limits import BatchLimits, RouterCost
from gateway.batching.outcomes import Answered, Busy, Crashed, RowRefused, Silent
from gateway.workers.worker import WorkerAbsent, WorkerDied, WorkerSilent

LIMITS = BatchLimits(
    rows_max=64, pending_rows_max=1000, wait_seconds_max=1.0, batch_seconds=0.25, queue_seconds_max=0.5
)


class Version:
    """Answers a batch after `seconds`, plus `row_seconds` for each row, with the first column."""

    def __init__(self, seconds=0.0, row_seconds=0.0, limits=LIMITS):
        self.sizes: list[int] = []
        self.seconds = seconds
        self.row_seconds = row_seconds
        self.ready_count = 1
        self.router = RouterCost()
        self.batcher = Batcher(self, limits, self.router)

    async def predict(self, columns):
        (values,) = orjson.loads(columns)
        self.sizes.append(len(values))
        await asyncio.sleep(self.seconds + self.row_seconds * len(values))
        return [math.nan if value is None else value for value in values], ""  # JSON has no NaN

    def submit(self, values, seconds=10.0):
        return self.batcher.submit([[value] for value in values], time.monotonic() + seconds)

    async def ask(self, value, seconds=10.0):
        outcome = await self.submit([value], seconds)
        assert isinstance(outcome, Answered), outcome
        return outcome.values


async def keep_asking(version, client, requests):
    for number in range(requests):
        assert await version.ask(client + number) == [client + number]


async def test_a_lone_client_waits_for_nobody():
    version = Version()
    started = time.monotonic()
    await keep_asking(version, 0, 50)
    assert version.sizes == [1] * 50
    assert time.monotonic() - started < LIMITS.wait_seconds_max  # one wait for company would take longer than all this


async def test_clients_that_come_together_share_batches_and_everybody_gets_their_own_answer():
    version = Version(seconds=0.002)
    await asyncio.gather(*(keep_asking(version, 1000 * client, 40) for client in range(32)))
    assert sum(version.sizes) == 32 * 40
    assert len(version.sizes) < 4 * 40  # of 16 and more, where whatever came first would make batches of one and 31


async def test_where_the_router_is_the_slower_one_two_halves_go_in_turn():
    version = Version(seconds=0.002)
    version.router.seconds = 0.001  # 32 requests take the router 32 ms, the version 2 ms
    version.router.note = lambda requests: None
    await asyncio.gather(*(keep_asking(version, 1000 * client, 40) for client in range(32)))
    assert 12 <= sorted(version.sizes)[len(version.sizes) // 2] <= 16


async def test_an_idle_version_does_not_wait_long_for_those_who_went_away():
    version = Version(seconds=0.002)
    await asyncio.gather(*(keep_asking(version, 1000 * client, 20) for client in range(32)))
    started = time.monotonic()
    await version.ask(1.0)
    assert time.monotonic() - started < LIMITS.wait_seconds_max


async def test_a_batch_is_cut_to_what_the_version_answers_in_time():
    version = Version(row_seconds=0.01)
    await asyncio.gather(*(keep_asking(version, client, 4) for client in range(48)))
    assert max(version.sizes[5:]) <= 26  # of 10 ms each in 0.25 s
    assert min(version.sizes[2:-2]) > 1


async def test_it_is_full_when_the_wait_is_foreseen_to_be_too_long():
    version = Version(row_seconds=0.01)
    await asyncio.gather(*(keep_asking(version, client, 6) for client in range(40)))
    assert not version.batcher.full
    waiting = [version.submit([n]) for n in range(100)]
    assert version.batcher.full  # 100 rows of 10 ms
    assert version.batcher.wait_seconds == pytest.approx(1.0, rel=0.5)
    await asyncio.gather(*waiting)
    assert not version.batcher.full


async def test_who_has_hung_up_is_not_sent_to_the_model():
    version = Version(seconds=0.05)
    first = version.submit([1])
    await asyncio.sleep(0.01)  # it is on its way
    second, third = version.submit([2]), version.submit([3])
    second.cancel()
    assert await first == Answered([1])
    assert await third == Answered([3])
    assert version.sizes == [1, 1]
    assert version.batcher.pending_rows == 0


async def test_a_request_that_waits_until_its_deadline_is_not_sent_and_is_nobodys_error():
    version = Version(seconds=0.05)
    first = version.submit([1])
    await asyncio.sleep(0.01)
    late = version.submit([2], seconds=0.001)
    await first
    assert await late == Busy("it waited until its deadline")
    assert version.sizes == [1]


@pytest.mark.parametrize(("lost", "outcome"), [(WorkerDied, Crashed), (WorkerSilent, Silent)])
async def test_a_batch_that_fails_is_one_failure(lost, outcome):
    class Lost:
        ready_count = 0

        async def predict(self, _):
            raise lost("it did not answer")

    batcher = Batcher(Lost(), LIMITS, RouterCost())
    outcomes = await asyncio.gather(*(batcher.submit([[n]], time.monotonic() + 1) for n in range(10)))
    assert [type(each) for each in outcomes] == [outcome] * 10
    assert sum(each.first for each in outcomes) == 1


async def test_a_batch_that_was_not_sent_is_no_failure():
    class Starting:
        ready_count = 0

        async def predict(self, _):
            raise WorkerAbsent("it is starting")

    batcher = Batcher(Starting(), LIMITS, RouterCost())
    assert await batcher.submit([[1]], time.monotonic() + 1) == Busy("it is starting")


async def test_a_request_larger_than_a_batch_goes_in_pieces_and_comes_back_in_order():
    version = Version()
    assert await version.submit(range(1000)) == Answered(list(range(1000)))
    assert max(version.sizes) <= LIMITS.rows_max
    assert version.batcher.large_rows == 0


async def test_pieces_are_cut_to_what_the_version_answers_in_time_from_the_first_one_on():
    version = Version(row_seconds=0.005)
    assert await version.submit(range(120)) == Answered(list(range(120)))
    assert max(version.sizes) <= 55  # of 5 ms each in 0.25 s, and with some error


async def test_beside_a_large_request_small_ones_wait_for_a_piece_at_most():
    version = Version(row_seconds=0.002)
    await keep_asking(version, 0, 3)
    large = version.submit(range(2000), seconds=60)
    waits = []
    for number in range(20):
        started = time.monotonic()
        await version.ask(number)
        waits.append(time.monotonic() - started)
    large.cancel()
    assert sorted(waits)[len(waits) // 2] < 0.15  # a piece is 16 of 64 rows, of 2 ms each
    assert not version.batcher.full


async def test_a_large_request_goes_on_beside_small_ones():
    version = Version(seconds=0.001)
    stopping = asyncio.Event()

    async def keep_busy(client):
        while not stopping.is_set():
            await version.ask(client)

    busy = [asyncio.create_task(keep_busy(client)) for client in range(32)]
    assert await version.submit(range(1000)) == Answered(list(range(1000)))
    stopping.set()
    await asyncio.gather(*busy)


async def test_a_row_without_a_number_fails_its_own_request_and_no_other_of_the_batch():
    version = Version(seconds=0.01)
    first = version.submit([0])
    await asyncio.sleep(0.001)
    odd, sound = version.submit([math.nan]), version.submit([2])
    await first
    assert isinstance(await odd, RowRefused)
    assert await sound == Answered([2])


async def test_a_large_request_whose_piece_fails_is_over_and_leaves_nothing_behind():
    version = Version()
    assert isinstance(await version.submit([*range(300), math.nan, *range(300)]), RowRefused)
    assert version.batcher.large_rows == 0
    assert await version.ask(1) == [1]


async def test_who_waits_twice_as_long_as_the_queue_may_be_is_turned_away():
    version = Version(row_seconds=0.02)
    waiting = [version.submit([number]) for number in range(200)]  # 4 s of work, before anything is known of the speed
    outcomes = await asyncio.gather(*waiting)
    turned_away = [each for each in outcomes if isinstance(each, Busy)]
    assert turned_away
    assert all(each.overloaded for each in turned_away)


async def test_the_slowest_batch_since_the_last_call_is_kept_with_its_rows():
    version = Version(row_seconds=0.02)
    assert version.batcher.take_slowest() is None
    await version.ask(1)
    await asyncio.gather(*(version.ask(value) for value in range(8)))
    slowest = version.batcher.take_slowest()
    assert len(orjson.loads(slowest.columns)[0]) == max(version.sizes)
    assert slowest.seconds >= 0.02 * max(version.sizes)
    assert version.batcher.take_slowest() is None
