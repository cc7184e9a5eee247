import asyncio
import time

import orjson
import pytest

from gateway.batching.batcher import Batcher, BatchLimits, RouterCost
from gateway.workers.worker import VersionFailed

LIMITS = BatchLimits(
    rows_max=64, pending_rows_max=1000, wait_seconds_max=1.0, batch_seconds=0.25, queue_seconds_max=0.5
)


class Version:
    """Answers a batch after `seconds`, plus `row_seconds` for each row, with the first column."""

    def __init__(self, seconds=0.0, row_seconds=0.0, limits=LIMITS):
        self.sizes: list[int] = []
        self.seconds = seconds
        self.row_seconds = row_seconds
        self.batcher = Batcher(self.predict, limits, RouterCost())

    async def predict(self, columns):
        (values,) = orjson.loads(columns)
        self.sizes.append(len(values))
        await asyncio.sleep(self.seconds + self.row_seconds * len(values))
        return values, ""

    def ask(self, value, seconds=10.0):
        return self.batcher.submit([[value]], time.monotonic() + seconds)


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
    version.batcher._router.seconds = 0.001  # 32 requests take the router 32 ms, the version 2 ms
    version.batcher._router.note = lambda requests: None
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
    waiting = [version.ask(n) for n in range(100)]
    assert version.batcher.full  # 100 rows of 10 ms
    assert version.batcher.wait_seconds == pytest.approx(1.0, rel=0.5)
    await asyncio.gather(*waiting)
    assert not version.batcher.full


async def test_who_has_hung_up_is_not_sent_to_the_model():
    version = Version(seconds=0.05)
    first = version.ask(1)
    await asyncio.sleep(0.01)  # it is on its way
    second, third = version.ask(2), version.ask(3)
    second.cancel()
    assert await first == [1]
    assert await third == [3]
    assert version.sizes == [1, 1]
    assert version.batcher.pending_rows == 0


async def test_a_request_that_waits_until_its_deadline_is_not_sent_and_is_nobodys_error():
    version = Version(seconds=0.05)
    first = version.ask(1)
    await asyncio.sleep(0.01)
    late = version.ask(2, seconds=0.001)
    await first
    with pytest.raises(VersionFailed) as failure:
        await late
    assert not failure.value.attempted
    assert version.sizes == [1]


async def test_a_batch_that_fails_is_one_failure():
    async def die(_):
        raise VersionFailed("it died", attempted=True)

    batcher = Batcher(die, LIMITS, RouterCost())
    outcomes = await asyncio.gather(
        *(batcher.submit([[n]], time.monotonic() + 1) for n in range(10)), return_exceptions=True
    )
    assert sum(outcome.attempted for outcome in outcomes) == 1
