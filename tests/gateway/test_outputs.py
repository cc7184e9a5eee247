"""What clients get from models with labels, probabilities or several values: over the wire, in the log, as feedback."""

import os
import signal

import httpx
import numpy as np
import orjson
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from skops import io

from healing.release import ModelRef
from healing.verdict import Outcome
from releases.manifest import Column, InputSchema
from releases.output import Output
from releases.publishing import ForeignModel, publish_foreign
from releases.store import ModelStore
from tasks.serving.gateway_client import probe_model
from tests.gateway.running import run_gateway, wait_until
from tests.published import NOW, PIPELINE, bootstrap

pytestmark = pytest.mark.timeout(300)
SCHEMA = InputSchema(columns=(Column(name="distance", type="double", nullable=False), Column(name="hour", type="long")))
_GENERATOR = np.random.default_rng(5)
FEATURES = np.column_stack([_GENERATOR.uniform(0, 9, 300).round(3), _GENERATOR.integers(0, 24, 300)])
ROWS = [[float(distance), int(hour)] for distance, hour in FEATURES]
THIRDS = (FEATURES[:, 0] // 3).astype(int)
NAMES = np.array(["near", "middle", "far"])
PAIR = np.column_stack([FEATURES[:, 0] * 2, FEATURES[:, 1] - 1])


def frame():
    return pd.DataFrame(FEATURES, columns=list(SCHEMA.names))


CASES = {
    "label": (LogisticRegression(max_iter=1000), THIRDS, Output(kind="label", names=(0, 1, 2))),
    "text label": (
        LogisticRegression(max_iter=1000),
        NAMES[THIRDS],
        Output(kind="label", names=("far", "middle", "near")),
    ),
    "classes": (LogisticRegression(max_iter=1000), THIRDS, Output(kind="probabilities", names=(0, 1, 2))),
    "values": (LinearRegression(), PAIR, Output(kind="values", names=("double", "less"))),
}


def publish(root, keys, name, version) -> tuple[ModelRef, object]:
    estimator, targets, output = CASES[name]
    estimator.fit(frame(), targets)
    fields = {"pipeline": PIPELINE, "version": version, "trained_from": "2013-01-01", "trained_until": "2013-03-01"}
    content = io.dumps(estimator)
    model = ForeignModel.of_file(content, "sklearn-skops", schema=SCHEMA, output=output, rows=ROWS, **fields)
    return publish_foreign(root, keys, model, created_at=NOW), estimator


def mlflows_answers(name, estimator):
    """What MLflow's server would answer for this signature."""
    return (estimator.predict_proba if name == "classes" else estimator.predict)(frame()).tolist()


@pytest.fixture(scope="module")
def served(tmp_path_factory, keys):
    """A gateway whose champion answers the probabilities of classes, with the other kinds among its fallbacks."""
    home = tmp_path_factory.mktemp("outputs")
    published = {name: publish(home / "releases", keys, name, f"1.0.{n}") for n, name in enumerate(CASES)}
    champion, *others = ["classes", *(name for name in CASES if name != "classes")]
    bootstrap(home / "releases", published[champion][0], fallbacks=tuple(published[name][0] for name in others))
    with run_gateway(home / "releases", keys, home / "gateway") as gateway:
        for model, _ in published.values():
            gateway.wait_for_worker(model.digest)
        wait_until(lambda: gateway.predict.get("/ping").status_code == 200, "it serves")
        yield (
            gateway,
            {name: (model, mlflows_answers(name, estimator)) for name, (model, estimator) in published.items()},
        )


@pytest.fixture(scope="module")
def store(served):
    gateway, _ = served
    return ModelStore(gateway.output.parent / "releases")


def ask(gateway, **headers: str) -> httpx.Response:
    return gateway.predict.post("/invocations", json={"dataframe_split": {"data": ROWS}}, headers=headers)


def assert_equal(answers, expected):
    if isinstance(np.ravel(expected)[0], float):
        assert np.asarray(answers) == pytest.approx(np.asarray(expected), abs=1e-9)
    else:
        assert answers == expected
        assert type(answers[0]) is type(expected[0])


@pytest.mark.parametrize("name", CASES)
def test_a_client_of_mlflow_gets_what_the_signature_says(served, name):
    gateway, published = served
    model, expected = published[name]
    assert_equal(ask(gateway, **{"x-model-digest": model.digest}).json()["predictions"], expected)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_a_client_of_triton_gets_a_tensor_of_that_shape_and_type(served, name, binary):
    from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

    gateway, published = served
    model, expected = published[name]
    inputs = []
    for place, (column, datatype, kind) in enumerate((("distance", "FP64", np.float64), ("hour", "INT64", np.int64))):
        tensor = InferInput(column, [len(ROWS)], datatype)
        tensor.set_data_from_numpy(FEATURES[:, place].astype(kind))
        inputs.append(tensor)
    client = InferenceServerClient(gateway.predict.base_url.netloc.decode())
    try:
        outputs = [InferRequestedOutput("predict", binary_data=binary)]
        result = client.infer(PIPELINE, inputs, outputs=outputs, model_version=model.version)
        (described,) = client.get_model_metadata(PIPELINE, model.version)["outputs"]
    finally:
        client.close()
    found = result.as_numpy("predict")
    assert found.shape == np.shape(expected)
    assert [-1, *found.shape[1:]] == described["shape"]
    assert result.get_output("predict")["datatype"] == described["datatype"]
    assert_equal([x.decode() if isinstance(x, bytes) else x for x in found.tolist()], expected)


@pytest.mark.parametrize("name", CASES)
def test_the_golden_rows_get_their_golden_answers_over_http(served, store, name):
    gateway, published = served
    model, _ = published[name]
    probe = probe_model(str(gateway.predict.base_url).rstrip("/"), model.digest, store.manifest(model.digest))
    assert (probe.outcome, probe.observations) == (Outcome.PASS, 16)


def test_the_log_has_one_number_per_row_and_the_outputs_beside_it(served):
    gateway, published = served
    _, expected = published["classes"]
    assert ask(gateway, **{"x-request-id": "logged"}).headers["x-rung"] == "champion"
    lines = gateway.operate.get("/predictions", params={"limit": 100_000}).text.splitlines()
    entries = [entry for entry in map(orjson.loads, lines) if entry["request_id"] == "logged"]
    assert_equal([entry["outputs"] for entry in entries], expected)
    assert [entry["prediction"] for entry in entries] == np.argmax(expected, axis=1).tolist()


def test_without_a_version_the_baseline_has_the_same_shape(served):
    gateway, published = served
    _, expected = published["classes"]
    pids = [worker["pid"] for worker in gateway.release()["workers"]]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        reply = ask(gateway, **{"x-request-timeout-ms": "300"})
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        for model, _ in published.values():
            gateway.wait_for_worker(model.digest)  # other tests ask them, too
    assert reply.headers["x-rung"] == "baseline"
    assert_equal(reply.json()["predictions"], [np.mean(expected, axis=0).tolist()] * len(ROWS))
