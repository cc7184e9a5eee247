"""Start and memory of a worker's process for each flavour of model: time to load and verify, memory it adds, one row.

Each model has 100 trees over ten numeric columns (ONNX: a linear graph). It is loaded, with the import of its library,
in a process forked from one that has imported what the gateway's fork server imports. A library that is not installed
is left out.
"""

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import psutil
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.result import Figure, Result, keep
from gateway.workers.forkserver import preload
from releases.loader import load
from releases.manifest import Column, Flavor, InputSchema
from releases.output import Output
from releases.publishing import ForeignModel, publish_foreign
from releases.signing import Keys, ensure_keys
from releases.store import ModelStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS, ROWS, TREES = 10, 5000, 100
SCHEMA = InputSchema(columns=tuple(Column(name=f"x{number}", type="double") for number in range(COLUMNS)))
OUTPUT = Output(kind="probability")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="Two loads of each model instead of seven.")
    loads = 2 if parser.parse_args().quick else 7
    preload()
    gc.freeze()  # as the fork server does: a collection would write to the pages that are shared
    figures: dict[str, Figure] = {}
    with tempfile.TemporaryDirectory() as directory, ProcessPoolExecutor(1, get_context("spawn")) as elsewhere:
        home = Path(directory)
        keys = ensure_keys(home / "keys")
        for flavor, (library, _) in FILES.items():
            if find_spec(library) is None:
                continue
            path = elsewhere.submit(_publish, home, keys, flavor).result()  # its library is not imported here
            measured = [_measure(path, keys.public) for _ in range(loads)]
            seconds, mebibytes, row_ms = (statistics.median(values) for values in zip(*measured, strict=True))
            name = flavor.replace("-", "_")
            figures |= {f"{name}_load_seconds": round(seconds, 3), f"{name}_memory_mib": round(mebibytes, 1)}
            figures |= {f"{name}_row_ms": round(row_ms, 3)}
    keep(Result("flavours", figures))


def _publish(home: Path, keys: Keys, flavor: Flavor) -> Path:
    features = np.random.default_rng(7).normal(size=(ROWS, COLUMNS))
    targets = (features[:, 0] + features[:, 1] * features[:, 2] > 0).astype(int)
    _, train = FILES[flavor]
    model = ForeignModel.of_file(
        train(features, targets),
        flavor,
        pipeline="bench",
        version="1.0.0",
        schema=SCHEMA,
        output=OUTPUT,
        rows=features[:300].tolist(),
        trained_from="2013-01-01",
        trained_until="2013-03-01",
    )
    return ModelStore(home).path(publish_foreign(home, keys, model).digest)


def _measure(path: Path, public_key: Path) -> tuple[float, float, float]:
    """Seconds to load, MiB that it adds, and milliseconds for one row, in a process of its own."""
    here, there = Pipe()
    process = get_context("fork").Process(target=_load_here, args=(there, path, public_key))
    process.start()
    measured: tuple[float, float, float] = here.recv()
    process.join()
    return measured


def _load_here(answer: Connection, path: Path, public_key: Path) -> None:
    own = psutil.Process()
    before, started = own.memory_full_info().uss, time.perf_counter()
    model = load(path, public_key)
    seconds, added = time.perf_counter() - started, own.memory_full_info().uss - before
    row = pd.DataFrame([[0.5] * COLUMNS], columns=list(SCHEMA.names))
    times = []
    for _ in range(200):
        asked = time.perf_counter()
        model.predict(row)
        times.append(time.perf_counter() - asked)
    answer.send((seconds, added / 2**20, 1000 * statistics.median(times)))


def _skops(features: "NDArray[np.float64]", targets: "NDArray[np.float64]") -> bytes:
    from skops import io

    frame = pd.DataFrame(features, columns=list(SCHEMA.names))
    content: bytes = io.dumps(HistGradientBoostingClassifier(max_iter=TREES).fit(frame, targets))
    return content


def _lightgbm(features: "NDArray[np.float64]", targets: "NDArray[np.float64]") -> bytes:
    import lightgbm

    rows = lightgbm.Dataset(features, targets, feature_name=list(SCHEMA.names))
    text: str = lightgbm.train({"objective": "binary", "verbosity": -1}, rows, TREES).model_to_string()
    return text.encode()


def _xgboost(features: "NDArray[np.float64]", targets: "NDArray[np.float64]") -> bytes:
    import xgboost

    rows = xgboost.DMatrix(features, targets, feature_names=list(SCHEMA.names))
    return bytes(xgboost.train({"objective": "binary:logistic"}, rows, TREES).save_raw("ubj"))


def _catboost(features: "NDArray[np.float64]", targets: "NDArray[np.float64]") -> bytes:
    import catboost

    model = catboost.CatBoostClassifier(iterations=TREES, verbose=False, allow_writing_files=False)
    model.fit(pd.DataFrame(features, columns=list(SCHEMA.names)), targets)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.cbm"
        model.save_model(str(path))
        return path.read_bytes()


def _onnx(_: "NDArray[np.float64]", __: "NDArray[np.float64]") -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.linspace(-1, 1, COLUMNS, dtype=np.float32).reshape(-1, 1), "weights")
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["linear"]),
        helper.make_node("Sigmoid", ["linear"], ["scores"]),
    ]
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, COLUMNS])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 1])
    graph = helper.make_graph(nodes, "linear", [features], [scores], [weights])
    content: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()
    return content


FILES: dict[Flavor, tuple[str, Callable[["NDArray[np.float64]", "NDArray[np.float64]"], bytes]]] = {
    "sklearn-skops": ("sklearn", _skops),
    "lightgbm": ("lightgbm", _lightgbm),
    "xgboost": ("xgboost", _xgboost),
    "catboost": ("catboost", _catboost),
    "onnx": ("onnxruntime", _onnx),
}


if __name__ == "__main__":
    main()
