import asyncio
from types import SimpleNamespace

import pytest

from gateway.reporting.problems import ProblemBoard
from gateway.routing.model_audit import ModelAudit
from gateway.workers.phase import WorkerPhase
from healing.errors import StoreUnavailable
from healing.incident import Cause
from healing.release import ModelRef

MODEL = ModelRef("a" * 64, "1.0.0")


class Cache:
    """A release root that is out of reach while `away`."""

    away = True

    def fingerprint(self, model):
        return ()

    def audit(self, model):
        if self.away:
            raise StoreUnavailable(f"no {model.version} there")


class Store:
    async def run(self, seconds, call, *arguments):
        return call(*arguments)


def version_in(*states):
    workers = SimpleNamespace(all=[SimpleNamespace(state=state) for state in states])
    return SimpleNamespace(model=MODEL, workers=workers)


@pytest.mark.parametrize(
    ("states", "cleared"),
    [
        ([WorkerPhase.READY], True),
        ([WorkerPhase.SET_ASIDE], True),
        ([WorkerPhase.FAILED], False),
        ([WorkerPhase.READY, WorkerPhase.SET_ASIDE], True),
        ([WorkerPhase.READY, WorkerPhase.FAILED], False),
    ],
)
def test_a_store_that_is_back_ends_the_problem_unless_the_version_will_load_and_say_so_itself(states, cleared):
    """A version that was set aside loads no more by itself: its problem would stay, and hide why it was set aside."""
    board, cache = ProblemBoard(), Cache()
    audit = ModelAudit(cache, Store(), lambda: [version_in(*states)], board)
    asyncio.run(audit.look())
    assert board.has(Cause.STORE_UNAVAILABLE, MODEL.digest)
    cache.away = False
    asyncio.run(audit.look())
    assert board.has(Cause.STORE_UNAVAILABLE, MODEL.digest) is not cleared
