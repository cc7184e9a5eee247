"""Metrics per version: of versions that are loaded now, each with one series."""

from types import SimpleNamespace

import pytest

from gateway.batching.batcher import Batcher
from gateway.batching.limits import BatchLimits, RouterCost
from gateway.batching.versions import Version
from gateway.ports.metrics import versions
from gateway.ports.metrics.page import GATEWAY_METRICS
from gateway.ports.metrics.versions import version_samples
from healing.release import ModelRef
from releases.exposition import exposition
from tests.gateway.rows.test_ranges import MANIFEST

LIMITS = BatchLimits(rows_max=256, pending_rows_max=1000, wait_seconds_max=0.0, batch_seconds=1.0, queue_seconds_max=1)


class Workers:
    """One worker that was restarted twice and answers three rows."""

    ready, ready_count, restarts = True, 1, 2

    async def predict(self, columns):
        return [0.5, 0.25, 0.75], ""


def version(number, digest="a"):
    workers = Workers()
    return Version(ModelRef(digest * 64, number), workers, Batcher(workers, LIMITS, RouterCost()))


def samples(*loaded):
    state = SimpleNamespace(active=None, versions=loaded)
    return {(each.metric, *each.labels): each.value for each in version_samples(state)}


async def test_a_version_has_its_requests_durations_and_batches():
    loaded = version("1.0.0")
    loaded.describe(MANIFEST)
    loaded.window.answered(0.004, 0.75)
    loaded.window.failed()
    outcome = await loaded.batcher.submit([(1,), (2,), (3,)], until=1e12)
    assert list(outcome.values) == [0.5, 0.25, 0.75]
    found = samples(loaded)
    assert found[versions.ROLE, "1.0.0", "next"] == 1
    assert found[versions.REQUESTS, "1.0.0", "answered"] == 1
    assert found[versions.REQUESTS, "1.0.0", "failed"] == 1
    assert found[versions.DURATION, "1.0.0"].total == 0.004
    assert dict(found[versions.BATCH_ROWS, "1.0.0"].buckets)["2.0"] == 0.0
    assert dict(found[versions.BATCH_ROWS, "1.0.0"].buckets)["4.0"] == 1.0
    assert found[versions.BATCH_DURATION, "1.0.0"].count == 1
    assert found[versions.RESTARTS, "1.0.0"] == 2
    assert found[versions.ERROR_RATIO, "1.0.0"] == 0.5
    assert found[versions.CONFIDENCE, "1.0.0"] == 0.5
    assert found[versions.CREATED, "1.0.0"] == MANIFEST.created_at.timestamp()


def test_a_version_that_was_not_asked_has_no_recent_requests():
    found = samples(version("1.0.0"))
    assert (versions.ERROR_RATIO, "1.0.0") not in found
    assert (versions.LATENCY_P99, "1.0.0") not in found


def test_two_models_with_the_same_number_have_series_of_their_own():
    found = samples(version("1.0.0", "a"), version("1.0.0", "b"), version("1.1.0", "c"))
    assert {key[1] for key in found} == {"1.0.0+aaaaaaaaaaaa", "1.0.0+bbbbbbbbbbbb", "1.1.0"}


@pytest.mark.parametrize("count", [0, 3])
def test_no_series_occurs_twice(count):
    state = SimpleNamespace(active=None, versions=[version("1.0.0", digest) for digest in "abc"[:count]])
    lines = exposition(GATEWAY_METRICS, "tiny", version_samples(state)).decode().splitlines()
    series = [line.rsplit(" ", 1)[0] for line in lines if not line.startswith("#")]
    assert len(series) == len(set(series))
