"""Who answers when the champion has too much to do: nobody, or a fallback where the champion is the slower one."""

from array import array
from contextlib import contextmanager
from datetime import UTC, datetime

import orjson
import pytest

from gateway.batching.batcher import Batcher
from gateway.batching.limits import BatchLimits, RouterCost
from gateway.batching.versions import Version
from gateway.routing.active_release import ActiveRelease
from gateway.routing.current_trial import CurrentTrial
from gateway.routing.ladder import Ladder
from gateway.routing.request import Overloaded, PredictRequest, Rung
from gateway.rows.table import RequestTable
from gateway.workers.phase import WorkerPhase
from healing.release import ModelRef, Reason, Release
from tests.gateway.rows.test_ranges import MANIFEST

LIMITS = BatchLimits(
    rows_max=64, pending_rows_max=1000, wait_seconds_max=0.0, batch_seconds=0.25, queue_seconds_max=0.5
)


class Workers:
    """One worker that answers `value` to every row."""

    ready, ready_count, warm, batches, state = True, 1, True, 0, WorkerPhase.READY

    def __init__(self, value):
        self.value = value

    async def predict(self, columns):
        return array("d", [self.value] * len(orjson.loads(columns)[0])), ""


def version_of(digit, value):
    model, workers = ModelRef(digit * 64, "1.0.0"), Workers(value)
    version = Version(model, workers, Batcher(workers, LIMITS, RouterCost()))
    version.describe(MANIFEST)
    return version


@contextmanager
def overloaded(*versions, monkeypatch):
    """A ladder of a champion and a fallback, where the batchers of these are full."""
    champion, fallback = version_of("a", 0.25), version_of("b", 0.5)
    refs = (champion.model, fallback.model)
    now = datetime(2013, 3, 1, tzinfo=UTC)
    release = Release(1, now, "flights", "test", Reason.BOOTSTRAP, refs[0], 0.2, fallbacks=(refs[1],))
    ladder = Ladder(10.0, CurrentTrial(lambda _: None))
    ladder.serve(ActiveRelease.of(release, champion, None, (fallback,)))
    full = [(champion, fallback)[number].batcher for number in versions]
    with monkeypatch.context() as patched:
        patched.setattr(Batcher, "full", property(lambda batcher: batcher in full))
        yield ladder, champion


async def ask(ladder):
    active = ladder.active
    ladder.admit(active)
    table = RequestTable(None, [["AA", 100.0]])
    bound = active.binder.bind(table, active.also_known)
    return await ladder.answer(active, PredictRequest("one", None, table, bound))


async def test_a_champion_that_has_too_much_to_do_refuses(monkeypatch):
    with overloaded(0, monkeypatch=monkeypatch) as (ladder, _), pytest.raises(Overloaded):
        await ask(ladder)


async def test_a_champion_that_is_slower_than_its_fallback_leaves_it_what_it_cannot_do_in_time(monkeypatch):
    with overloaded(0, monkeypatch=monkeypatch) as (ladder, champion):
        champion.slower_than_fallback = True
        answer = await ask(ladder)
        assert (answer.rung, list(answer.values)) == (Rung.FALLBACK, [0.5])


async def test_a_fallback_that_has_too_much_to_do_as_well_refuses(monkeypatch):
    with overloaded(0, 1, monkeypatch=monkeypatch) as (ladder, champion):
        champion.slower_than_fallback = True
        with pytest.raises(Overloaded):
            await ask(ladder)
