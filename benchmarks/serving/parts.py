"""The parts of an answer alone, in a process that does nothing else: processor time per request of one row.

    python -m benchmarks.serving.parts BATCH_ROWS

Prints one JSON object. The gateway's own functions run on the benchmark's requests, without sockets between them. So
each part is what it needs at least; in a gateway that other work interrupts it needs more.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks.result import PROJECT
from benchmarks.serving.flights import build_world
from benchmarks.serving.processes import ONE_THREAD
from benchmarks.serving.targets import GATEWAY, Target
from benchmarks.serving.world import World, frame_of

MODEL_ROWS = 64  # in a batch of the model alone, as many as there are clients
_SECONDS = 1.5  # of processor time per part
_HEADERS = {b"content-type": b"application/json"}


@dataclass(frozen=True, slots=True)
class Parts:
    """Milliseconds of processor time per request of one row, in batches of the same size as the gateway had."""

    model_alone: float  # the plain estimator, in batches of `MODEL_ROWS`
    model: float  # the worker's way to the same answers, in batches as large as the gateway's
    read: float  # the body into a table, checked against the schema
    queue: float  # into a batch and out of it
    pipe: float  # rows and answers encoded and decoded, both ends together
    log: float  # the row of the log, encoded and appended


def measure_parts(batch_rows: int) -> Parts:
    """Run it for batches of this size in a fresh process with one math thread."""
    command = [sys.executable, "-m", "benchmarks.serving.parts", str(batch_rows)]
    ran = subprocess.run(
        command, cwd=PROJECT, env=os.environ | ONE_THREAD, stdout=subprocess.PIPE, text=True, check=True
    )
    return Parts(**json.loads(ran.stdout.splitlines()[-1]))


def _each(work: Callable[[int], Any], requests: int) -> float:
    """Milliseconds of processor time per request of `work`, which answers so many at once."""
    for number in range(3):
        work(number)
    times, began = 0, time.process_time()
    while (took := time.process_time() - began) < _SECONDS:
        work(times)
        times += 1
    return 1000 * took / (times * requests)


def _measure(batch_rows: int) -> dict[str, float]:
    from gateway.rows.schema import binder_of
    from gateway.wire.mlflow import MLFLOW
    from gateway.workers.frames import Decoder, FrameKind, decode_answer, encode
    from gateway.workers.model import ServedModel, answer_batch
    from releases.loader import load

    world = build_world()
    estimator = world.estimator("champion")
    frames = [frame_of(world, world.rows[n * MODEL_ROWS : (n + 1) * MODEL_ROWS]) for n in range(16)]
    loaded = load(world.folder / "models" / world.digests["champion"], world.public_key, frozenset())
    served, binder = ServedModel.of(loaded), binder_of(loaded.manifest.input_schema)
    bodies = [request.content for request in Target("parts", 0, GATEWAY, world).requests(1)]
    rows = [binder.bind(MLFLOW.read(_HEADERS, body).table).rows[0] for body in bodies]
    batches = [rows[n * batch_rows : (n + 1) * batch_rows] for n in range(len(rows) // batch_rows)]
    columns = [[list(column) for column in zip(*batch, strict=True)] for batch in batches]

    def pass_through(number: int) -> None:
        """As `answer_batch` does, with the model's answers taken from it beforehand."""
        batch = batches[number % len(batches)]
        (asked,) = Decoder().feed(encode(FrameKind.BATCH, 1, orjson.dumps(list(zip(*batch, strict=True)))))
        orjson.loads(asked.payload)
        (answered,) = Decoder().feed(answer)
        decode_answer(answered.payload)

    (asked,) = Decoder().feed(encode(FrameKind.BATCH, 1, orjson.dumps(columns[0])))
    answer = answer_batch(served, asked)
    return {
        "model_alone": _each(lambda n: estimator.predict_proba(frames[n % len(frames)]), MODEL_ROWS),
        "model": _each(lambda n: served.answer(columns[n % len(columns)]), batch_rows),
        "read": _each(lambda n: binder.bind(MLFLOW.read(_HEADERS, bodies[n % len(bodies)]).table), 1),
        "pipe": _each(pass_through, batch_rows),
        **asyncio.run(_measure_loop(world, rows, batch_rows)),
    }


async def _measure_loop(world: World, rows: list[Any], batch_rows: int) -> dict[str, float]:
    """The parts that need an event loop: the queue in front of a model that answers at once, and the log."""
    from gateway.batching.batcher import Batcher
    from gateway.batching.limits import BatchLimits, RouterCost
    from gateway.log.predictions import PredictionLog
    from gateway.reporting.problems import ProblemBoard

    answered = [0.5] * batch_rows

    class Workers:
        ready_count = 1

        async def predict(self, _: bytes) -> tuple[list[float], str]:
            return answered[:waiting], ""

    limits = BatchLimits(batch_rows, 8192, 0.005, 0.25, 60.0, overlaps=False)
    batcher, waiting, requests = Batcher(Workers(), limits, RouterCost()), batch_rows, 0
    encoding = _each(lambda _: orjson.dumps(list(zip(*rows[:batch_rows], strict=True))), batch_rows)
    began = time.process_time()
    while (queued := time.process_time() - began) < _SECONDS:
        await asyncio.gather(*(batcher.submit([row], time.monotonic() + 60) for row in rows[:batch_rows]))
        requests += batch_rows
    with tempfile.TemporaryDirectory() as folder:
        log, logged, names = PredictionLog(Path(folder), ProblemBoard()), 0, world.columns
        log.open()
        began = time.process_time()
        while (written := time.process_time() - began) < _SECONDS:
            await asyncio.gather(
                *(log.record([_log_row(f"{logged}-{number}", names, rows[number])]) for number in range(batch_rows))
            )
            logged += batch_rows
        await log.close()
    return {"queue": 1000 * queued / requests - encoding, "log": 1000 * written / logged}


def _log_row(name: str, names: list[str], row: Any) -> Any:
    """As the gateway makes it."""
    features = dict(zip(names, row, strict=True))
    at, digest = "2013-03-01T12:00:00.000000+00:00", "0" * 64
    return (name, 0, at, 1, digest, "1.0.0", "champion", name, features, 0.25, None, "", 3.5)


if __name__ == "__main__":
    print(json.dumps(_measure(int(sys.argv[1]))))
