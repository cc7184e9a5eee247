import asyncio
import threading

import pytest

from gateway.guards.trial import ChallengerTrial
from gateway.reporting.events import EventSender
from gateway.routing.canary_abort import CanaryAbort
from gateway.workers.store_calls import StoreHangs
from healing.release import ModelRef, Reason
from releases.log import ReleaseLog, promotion_of
from tests.gateway.guards.test_trial import DIGESTS, serving
from tests.published import NOW, bootstrap, start_canary

CHAMPION, CHALLENGER = ModelRef(DIGESTS[False], "1.0.0"), ModelRef(DIGESTS[True], "1.0.0")
WHY = "errors: challenger failed 9 of 9 requests"


@pytest.fixture
def log(root):
    bootstrap(root, CHAMPION)
    start_canary(root, CHALLENGER, 0.05)
    return ReleaseLog(root)


async def abort(log):
    """Abort as the gateway does, and wait for the end of it."""
    aborts = CanaryAbort(log, EventSender("tiny", None))
    aborts.begin(ChallengerTrial(serving(), 0.01), WHY)
    async with asyncio.timeout(60):
        await aborts.write()
    assert aborts.waiting == 0
    return log.current()


async def test_the_abort_is_written_and_fences_the_challenger(log):
    release = await abort(log)
    assert (release.reason, release.champion, release.challenger) == (Reason.ABORT, CHAMPION, None)
    assert release.fence_of(CHALLENGER.digest) is not None
    assert release.note == WHY


async def test_a_promotion_that_came_first_is_rolled_back(log):
    log.append(promotion_of(log.current(), author="controller", now=NOW))
    release = await abort(log)
    assert (release.reason, release.author, release.champion) == (Reason.ROLLBACK, "gateway", CHAMPION)
    assert release.fence_of(CHALLENGER.digest) is not None
    assert WHY in release.note


async def test_a_trial_that_is_over_needs_no_abort(log):
    await abort(log)
    assert (await abort(log)).generation == 3


async def test_a_write_that_hangs_holds_up_nothing_and_is_found_once_it_is_there(log, monkeypatch):
    monkeypatch.setattr("gateway.routing.canary_abort._WRITE_SECONDS", 0.2)
    append, released = log.append, threading.Event()

    def hang(release):
        released.wait(60)
        append(release)

    aborts = CanaryAbort(log, EventSender("tiny", None))
    with monkeypatch.context() as patch:
        patch.setattr(log, "append", hang)
        aborts.begin(ChallengerTrial(serving(), 0.01), WHY)
        with pytest.raises(StoreHangs):
            await aborts.write()
    assert aborts.waiting == 1
    released.set()
    async with asyncio.timeout(60):
        while log.current().generation < 3:  # noqa: ASYNC110  another thread writes
            await asyncio.sleep(0.01)
        await aborts.write()
    assert (aborts.waiting, log.current().generation) == (0, 3)
