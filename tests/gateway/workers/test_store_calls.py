import asyncio
import threading
import time

import pytest

from gateway.workers.store_calls import StoreCalls, StoreHangs


async def test_a_call_gives_what_it_returns_or_raises():
    calls = StoreCalls()
    assert await calls.run(30, sorted, [2, 1]) == [1, 2]
    with pytest.raises(ZeroDivisionError):
        await calls.run(30, divmod, 1, 0)
    assert calls.running == 0


async def test_a_call_that_hangs_is_given_up_and_others_go_on():
    calls, freed = StoreCalls(), threading.Event()
    started = time.monotonic()
    with pytest.raises(StoreHangs, match="did not answer within"):
        await calls.run(0.1, freed.wait, 60)
    assert time.monotonic() - started < 30
    assert await calls.run(30, sorted, [2, 1]) == [1, 2]
    assert calls.running == 1
    freed.set()
    async with asyncio.timeout(60):
        while calls.running:  # noqa: ASYNC110  a thread sets no event of the loop
            await asyncio.sleep(0.01)


async def test_when_too_many_calls_hang_further_ones_are_refused_at_once():
    calls, freed = StoreCalls(calls_max=2), threading.Event()
    for _ in range(2):
        with pytest.raises(StoreHangs):
            await calls.run(0.01, freed.wait, 60)
    with pytest.raises(StoreHangs, match="2 calls"):
        await calls.run(30, sorted, [])
    freed.set()
