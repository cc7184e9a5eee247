"""The life of a worker process: verify one model, warm it, answer batches until the router hangs up.

This runs in a process of its own, forked from the warm fork server. Only here do pandas and scikit-learn exist.
"""

import os
import socket
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from gateway.workers.frames import Decoder, FrameKind, WorkerFrame, encode, encode_answer
from gateway.workers.memory import collect_rarely, limit_own_growth
from gateway.workers.order import LoadOrder
from healing.errors import AutopilotError, ModelCorrupt
from releases.loader import LoadedModel, load
from releases.short_path import Columns, ServedEstimator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_RECEIVE_BYTES = 1 << 18


def serve(channel: socket.socket, model_dir: Path, order: LoadOrder) -> None:
    """Load the model and answer batches; returns when the model is refused or the router has hung up."""
    channel.sendall(encode(FrameKind.STARTED, payload=str(os.getpid()).encode()))
    try:
        model = load(model_dir, order.public_key, order.trusted_types, allow_pyfunc=order.allow_pyfunc)
        served = ServedModel.of(model, quotes_values=order.quotes_values)
        _warm(served)
        limit_own_growth(order.growth_bytes_max)
    except ModelCorrupt as exc:
        channel.sendall(encode(FrameKind.CORRUPT, payload=str(exc).encode()))
        return
    except (AutopilotError, OSError) as exc:
        channel.sendall(encode(FrameKind.BROKEN, payload=f"{type(exc).__name__}: {exc}".encode()))
        return
    collect_rarely()
    channel.sendall(encode(FrameKind.READY))
    decoder = Decoder()
    while received := channel.recv(_RECEIVE_BYTES):
        for frame in decoder.feed(received):
            channel.sendall(answer_batch(served, frame))


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A verified model, and the shortest way to its answers that is known to be right."""

    model: LoadedModel
    answer: Callable[[Columns], "NDArray[np.float64]"]
    quotes_values: bool = True

    @property
    def width(self) -> int:
        """Numbers per row: the value, and the outputs of a model that has several."""
        output = self.model.manifest.output
        return 1 if output is None else 1 + output.width

    @classmethod
    def of(cls, model: LoadedModel, *, quotes_values: bool = True) -> "ServedModel":
        return cls(model, _served(model).shortest_answer(), quotes_values)


def _served(model: LoadedModel) -> ServedEstimator:
    manifest = model.manifest
    return ServedEstimator(model.estimator, manifest.input_schema, manifest.golden, manifest.output)


def _warm(served: ServedModel) -> None:
    """Answer the golden rows by the path that requests take; the first batch is slower than the rest."""
    model, golden = served.model, served.model.manifest.golden
    by_name = dict(zip(golden.columns, zip(*golden.rows, strict=True), strict=True))
    _predict(served.answer, [list(by_name[name]) for name in model.manifest.input_schema.names], served.width)


def answer_batch(served: ServedModel, batch: WorkerFrame) -> bytes:
    """The ANSWER to a BATCH. Where the model raises, each row is tried alone, so that only the guilty ones fail."""
    columns: list[list[Any]] = orjson.loads(batch.payload)
    width = served.width
    try:
        return encode_answer(batch.number, _predict(served.answer, columns, width), width=width)
    except Exception as exc:  # noqa: BLE001  the estimator is somebody's model: what it raises is data, and is reported
        note = f"{type(exc).__name__}: {exc}" if served.quotes_values else type(exc).__name__
    values = array("d")
    for row in zip(*columns, strict=True):
        values += _predict_alone(served.model, row, width)
    return encode_answer(batch.number, values, note, width)


def _predict_alone(model: LoadedModel, row: tuple[Any, ...], width: int) -> "array[float]":
    try:
        return _predict(_served(model).own_answer, [[value] for value in row], width)
    except Exception:  # noqa: BLE001  see answer_batch; the note already carries the reason
        return array("d", [float("nan")] * width)


def _predict(answer: Callable[[Columns], "NDArray[np.float64]"], columns: Columns, width: int) -> "array[float]":
    """`width` numbers per row; ValueError when the model gives another number of them."""
    outputs = answer(columns)
    rows = len(columns[0])
    if outputs.shape != ((rows,) if width == 1 else (rows, width)):
        raise ValueError(f"the model should answer {rows} rows with as many numbers, found shape {outputs.shape}")
    return array("d", outputs.tobytes())
