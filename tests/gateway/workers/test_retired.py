"""A worker whose version leaves service starts no further process and reports nothing: its model may be gone."""

import asyncio

from gateway.reporting.problems import ProblemBoard
from gateway.workers.timing import WorkerTiming
from gateway.workers.worker import Worker
from healing.errors import ModelCorrupt
from healing.incident import Cause
from healing.release import ModelRef

MODEL = ModelRef(digest="a" * 64, version="1.0.0")
TIMING = WorkerTiming(batch_deadline=1.0, hang=1.0, load_deadline=1.0, backoff=0.01, backoff_max=0.01, deaths_max=1_000)


class Store:
    """Obtains no model: it is not there. `asked` counts how often it was asked."""

    def __init__(self):
        self.asked = 0
        self.once, self.thrice, self.may_answer = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def obtain(self, model):
        self.asked += 1
        self.once.set()
        if self.asked == 3:
            self.thrice.set()
        await self.may_answer.wait()
        raise ModelCorrupt(f"model {model.digest} is not in the store")


async def started(problems):
    store = Store()
    worker = Worker(MODEL, store.obtain, None, None, problems, TIMING)  # no process is forked before a model is there
    worker.start()
    async with asyncio.timeout(30):
        await store.once.wait()
    return worker, store


async def test_a_worker_in_service_reports_that_its_model_is_gone_and_tries_again():
    problems = ProblemBoard()
    worker, store = await started(problems)
    store.may_answer.set()
    async with asyncio.timeout(30):
        await store.thrice.wait()
    assert problems.has(Cause.MODEL_CORRUPT, MODEL.digest)
    await worker.stop()


async def test_a_retired_worker_reports_nothing_and_tries_no_more():
    problems = ProblemBoard()
    worker, store = await started(problems)
    worker.retire()
    store.may_answer.set()
    async with asyncio.timeout(30):
        await worker.settled.wait()
    asked = store.asked
    await asyncio.sleep(0.1)  # ten times as long as it would pause before its next start
    assert store.asked == asked == 1
    assert not problems.has(Cause.MODEL_CORRUPT, MODEL.digest)
    await worker.stop()


async def test_problems_of_the_same_model_in_a_later_release_outlive_the_retired_worker():
    problems = ProblemBoard()
    worker, store = await started(problems)
    worker.retire()
    problems.begin(Cause.MODEL_CORRUPT, MODEL.digest, "reported by the worker of the later release")
    store.may_answer.set()
    await worker.stop()
    assert problems.has(Cause.MODEL_CORRUPT, MODEL.digest)
