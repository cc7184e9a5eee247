"""How each server is asked, and where its answer holds the probabilities."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks.serving.world import KEY, Row, World
from chaos.load import Request

_HEAD = {"content-type": "application/json"}


@dataclass(frozen=True)
class Protocol:
    """`encode(world, rows, keys)` is a body, `values(body)` the probability of a late flight for each row."""

    path: str
    encode: Callable[[World, Sequence[Row], Sequence[str]], bytes]
    values: Callable[[str], list[float]]


@dataclass(frozen=True)
class Target:
    """A server that listens, and the rows that it is asked."""

    name: str
    port: int
    protocol: Protocol
    world: World
    host: str = "127.0.0.1"
    poison: bool = False  # its last row is the one that kills the crashing model

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}{self.protocol.path}"

    def requests(self, rows_per_request: int) -> list[Request]:
        """Requests in the order of the world's rows; each is named by its number."""
        world = self.world
        rows = list(world.rows)
        if self.poison:
            rows[-1] = world.poison_row()
        bodies = [
            self.protocol.encode(world, rows[n : n + rows_per_request], world.keys[n : n + rows_per_request])
            for n in range(0, len(rows) - rows_per_request + 1, rows_per_request)
        ]
        return [Request(str(number), body) for number, body in enumerate(bodies)]

    def first_request(self) -> tuple[dict[str, str], bytes]:
        return _HEAD, self.protocol.encode(self.world, self.world.rows[:1], self.world.keys[:1])


def _split(world: World, rows: Sequence[Row], keys: Sequence[str]) -> bytes:
    """MLflow's dataframe_split with the key beside the inputs: the gateway logs it."""
    data = [[*row, key] for row, key in zip(rows, keys, strict=True)]
    return orjson.dumps({"dataframe_split": {"columns": [*world.columns, KEY], "data": data}})


def _split_without_key(world: World, rows: Sequence[Row], _: Sequence[str]) -> bytes:
    return orjson.dumps({"dataframe_split": {"columns": world.columns, "data": list(rows)}})


def _open_inference(world: World, rows: Sequence[Row], _: Sequence[str]) -> bytes:
    """Open Inference v2, a tensor a column, read as a pandas frame."""
    inputs = []
    for name, values in zip(world.columns, zip(*rows, strict=True), strict=True):
        tensor: dict[str, Any] = {"name": name, "shape": [len(rows), 1], "data": values, "datatype": "FP64"}
        if name in world.text_columns:
            tensor |= {"datatype": "BYTES", "parameters": {"content_type": "str"}}
        inputs.append(tensor)
    return orjson.dumps(
        {"parameters": {"content_type": "pd"}, "inputs": inputs, "outputs": [{"name": "predict_proba"}]}
    )


def _plain_rows(_: World, rows: Sequence[Row], __: Sequence[str]) -> bytes:
    return orjson.dumps({"rows": list(rows)})


def _positive(pairs: Sequence[Sequence[float]]) -> list[float]:
    return [pair[1] for pair in pairs]


GATEWAY = Protocol("/invocations", _split, lambda body: json.loads(body)["predictions"])
MLFLOW = Protocol("/invocations", _split_without_key, lambda body: _positive(json.loads(body)["predictions"]))
MLSERVER = Protocol(
    "/v2/models/flights/infer", _open_inference, lambda body: json.loads(body)["outputs"][0]["data"][1::2]
)
LITSERVE = Protocol("/predict", _plain_rows, lambda body: json.loads(body)["predictions"])
BENTOML = Protocol("/predict", _plain_rows, json.loads)
