"""The request handler with a real ladder, batcher and log; only the worker process is replaced by a function."""

import threading
from array import array
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import orjson
import pytest

from gateway.batching.batcher import Batcher
from gateway.batching.limits import BatchLimits, RouterCost
from gateway.batching.versions import Version
from gateway.log.predictions import PredictionLog
from gateway.ports.request_handler import RequestHandler
from gateway.reporting.problems import ProblemBoard
from gateway.routing.active_release import ActiveRelease
from gateway.routing.current_trial import CurrentTrial
from gateway.routing.ladder import Ladder
from gateway.settings import GatewaySettings
from gateway.wire.mlflow import MLFLOW
from gateway.wire.protocol import WireProtocol
from gateway.workers.phase import WorkerPhase
from healing.release import ModelRef, Reason, Release
from tests.gateway.rows.test_ranges import MANIFEST

MODEL = ModelRef("a" * 64, "1.0.0")


class Workers:
    """One worker that answers 0.25 to every row."""

    ready, ready_count, warm, batches, state = True, 1, True, 0, WorkerPhase.READY

    async def predict(self, columns):
        return array("d", [0.25] * len(orjson.loads(columns)[0])), ""


@asynccontextmanager
async def handling(tmp_path, **options):
    settings = GatewaySettings(
        pipeline="flights",
        release_root=tmp_path / "releases",
        public_key=tmp_path / "key",
        state_dir=tmp_path / "state",
        **options,
    )
    log = PredictionLog(settings.state_dir, ProblemBoard())
    log.open()
    workers = Workers()
    version = Version(MODEL, workers, Batcher(workers, BatchLimits.of(settings), RouterCost()))
    version.describe(MANIFEST)
    release = Release(1, datetime(2013, 3, 1, tzinfo=UTC), "flights", "test", Reason.BOOTSTRAP, MODEL, 0.2)
    ladder = Ladder(10.0, CurrentTrial(lambda _: None))
    ladder.serve(ActiveRelease.of(release, version, None, ()))
    try:
        yield RequestHandler(ladder, SimpleNamespace(get={MODEL.digest: version}.get), log, settings)
    finally:
        await log.close()


async def ask(handler, rows, protocol=MLFLOW, forced=None):
    """Status, headers and body of the answer to these rows."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": orjson.dumps({"dataframe_split": {"data": rows}})}

    async def send(message):
        sent.append(message)

    await handler.answer(protocol, {}, receive, send, forced)
    return sent[0]["status"], dict(sent[0]["headers"]), orjson.loads(sent[1]["body"])


async def test_an_answer_names_columns_beyond_the_training_data(tmp_path):
    async with handling(tmp_path) as handler:
        status, headers, body = await ask(handler, [["AA", 100.0]])
        assert (status, body) == (200, {"predictions": [0.25]})
        assert b"x-outside-training" not in headers
        status, headers, body = await ask(handler, [["AA", 100.0], ["AA", 1e6]])
        assert (status, body) == (200, {"predictions": [0.25, 0.25]})
        assert headers[b"x-outside-training"] == b"miles"
        assert handler.bodies.held == 0


@pytest.mark.parametrize(("setting", "status"), [("refuse", 400), ("ignore", 200)])
async def test_rows_beyond_the_training_data_are_refused_or_ignored_by_setting(tmp_path, setting, status):
    async with handling(tmp_path, outside_training=setting) as handler:
        found, headers, body = await ask(handler, [["AA", 1e6]])
        assert found == status
        assert b"x-outside-training" not in headers
        assert body.get("field") == ("miles" if status == 400 else None)
        assert (await ask(handler, [["AA", 100.0]]))[0] == 200


async def test_a_probe_is_not_refused_for_the_settings_on_columns_and_ranges(tmp_path):
    """A candidate is trained on newer data than the champion: its golden rows were refused, and it counted as bad."""
    async with handling(tmp_path, outside_training="refuse", extra_columns="refuse") as handler:
        assert (await ask(handler, [["AA", 1e6]]))[0] == 400
        status, _, body = await ask(handler, [["AA", 1e6]], forced=MODEL.digest)
        assert (status, body) == (200, {"predictions": [0.25]})


async def test_a_large_body_is_read_in_a_thread_and_a_small_one_in_the_loop(tmp_path):
    threads = []

    def read(headers, body):
        threads.append(threading.current_thread() is threading.main_thread())
        return MLFLOW.read(headers, body)

    protocol = WireProtocol("mlflow", read, MLFLOW.refuse)
    async with handling(tmp_path) as handler:
        assert (await ask(handler, [["AA", 100.0]], protocol))[0] == 200
        status, _, body = await ask(handler, [["A" * 100, 100.0]] * 3000, protocol)
        assert (status, len(body["predictions"])) == (200, 3000)
    assert threads == [True, False]


async def test_a_valid_request_that_gets_no_answer_counts_as_failed(tmp_path):
    def fail(headers, body):
        raise RuntimeError("a defect of the gateway")

    async with handling(tmp_path) as handler:
        assert (await ask(handler, [["AA", "far"]]))[0] == 400
        assert handler.totals.failed == 0
        handler.bodies.take(handler.bodies._bytes_max)  # the bodies of other requests
        assert (await ask(handler, [["AA", 100.0]]))[0] == 503
        assert handler.totals.failed == 1
        handler.bodies.give_back(handler.bodies._bytes_max)
        with pytest.raises(RuntimeError, match="a defect"):
            await ask(handler, [["AA", 100.0]], WireProtocol("mlflow", fail, MLFLOW.refuse))
        assert handler.totals.failed == 2


async def test_a_request_in_progress_is_counted_until_it_is_answered(tmp_path):
    seen = []

    def read(headers, body):
        seen.append(handler.hangups.under_way)
        return MLFLOW.read(headers, body)

    async with handling(tmp_path) as handler:
        assert (await ask(handler, [["AA", 100.0]], WireProtocol("mlflow", read, MLFLOW.refuse)))[0] == 200
        assert (seen, handler.hangups.under_way) == ([1], 0)
