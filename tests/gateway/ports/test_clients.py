"""Clients that others wrote speak to a real gateway, unchanged: MLflow's and Triton's."""

from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest

from tests.gateway.running import run_gateway, wait_until
from tests.published import SCHEMA, bootstrap, publish_tiny_model, start_canary, tiny_rows

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning"),  # MLflow warns of its own modules
]

ROWS = tiny_rows(20, seed=5)
FRAME = pd.DataFrame(ROWS, columns=list(SCHEMA.names))
DATATYPES = {"carrier": ("BYTES", object), "distance": ("FP64", np.float64), "hour": ("INT64", np.int64)}


@pytest.fixture(scope="module")
def served(tmp_path_factory, keys):
    """A gateway with a champion 0.1.0 and a loaded challenger 0.2.0 without traffic."""
    home = tmp_path_factory.mktemp("clients")
    root = home / "releases"
    champion = publish_tiny_model(root, keys)
    bootstrap(root, champion)
    challenger = publish_tiny_model(root, keys, version="0.2.0", seed=1)
    start_canary(root, challenger, 0.0)
    with run_gateway(root, keys, home / "gateway") as gateway:
        wait_until(lambda: gateway.predict.get("/ping").status_code == 200, "it serves")
        gateway.wait_for_worker(challenger.digest)
        yield gateway


@pytest.fixture(scope="module")
def expected(served):
    return served.ask(ROWS).json()["predictions"]


@pytest.fixture(scope="module")
def mlflow_client(served):
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    address = urlsplit(str(served.predict.base_url))
    return ScoringServerClient(address.hostname, address.port)


def test_mlflows_client_finds_a_server_that_is_ready(mlflow_client):
    mlflow_client.wait_server_ready(timeout=10)
    assert mlflow_client.get_version() == "0.1.0"


@pytest.mark.parametrize(
    "data",
    [
        FRAME,
        FRAME.set_index(FRAME.index + 100),
        FRAME[["hour", "carrier", "distance"]],
        FRAME.to_dict(orient="records"),
        ROWS,
        FRAME.to_numpy(dtype=object),
    ],
    ids=["frame", "index", "order", "records", "rows", "array"],
)
def test_mlflows_client_gets_the_same_predictions_for_whatever_it_sends(mlflow_client, expected, data):
    answer = mlflow_client.invoke(data)
    assert answer.get_predictions(predictions_format="ndarray").ravel() == pytest.approx(expected, abs=1e-12)


def test_mlflows_params_are_ignored_and_that_is_said(served, mlflow_client, expected):
    assert mlflow_client.invoke(FRAME, params={"temperature": 1})["predictions"] == pytest.approx(expected)
    body = {"dataframe_split": FRAME.to_dict(orient="split"), "params": {"temperature": 1}}
    assert served.predict.post("/invocations", json=body).headers["x-ignored"] == "params"


def test_mlflows_client_is_told_what_is_wrong_with_a_frame(mlflow_client):
    with pytest.raises(Exception, match=r"error code 400.*'hour' is missing"):
        mlflow_client.invoke(FRAME.drop(columns="hour"))
    with pytest.raises(Exception, match=r"dataframe_split.data\[0\]\[1\] is infinite"):
        mlflow_client.invoke(FRAME.assign(distance=np.inf))


def test_a_frame_with_gaps_that_mlflows_client_sends_is_answered(served, mlflow_client):
    with_null = served.ask([[carrier, None, hour] for carrier, _, hour in ROWS]).json()["predictions"]
    assert mlflow_client.invoke(FRAME.assign(distance=np.nan))["predictions"] == pytest.approx(with_null)


def test_extra_and_absent_columns_are_named(served, expected):
    reply = served.predict.post(
        "/invocations", json={"dataframe_records": [{"carrier": "AA", "hour": 7, "farbe,é": 1}]}
    )
    assert reply.status_code == 200
    assert reply.headers["x-ignored-columns"] == "farbe%2C%C3%A9"
    assert reply.headers["x-absent-columns"] == "distance"


def test_csv_that_pandas_wrote_gets_the_same_predictions(served, expected):
    reply = served.predict.post(
        "/invocations", content=FRAME.to_csv(index=False), headers={"content-type": "text/csv; charset=utf-8"}
    )
    assert reply.json()["predictions"] == pytest.approx(expected, abs=1e-12)


@pytest.fixture(scope="module")
def triton(served):
    from tritonclient.http import InferenceServerClient

    address = urlsplit(str(served.predict.base_url))
    client = InferenceServerClient(f"{address.hostname}:{address.port}")
    yield client
    client.close()


def tensors(*, binary=True, column=False, **datatypes):
    from tritonclient.http import InferInput
    from tritonclient.utils import triton_to_np_dtype

    inputs = []
    for name, (datatype, kind) in DATATYPES.items():
        chosen = datatypes.get(name, datatype)
        values = FRAME[name].to_numpy(kind)
        if chosen != "BYTES":
            values = values.astype(triton_to_np_dtype(chosen))
        if column:
            values = values.reshape(-1, 1)
        tensor = InferInput(name, list(values.shape), chosen)
        tensor.set_data_from_numpy(values, binary_data=binary)
        inputs.append(tensor)
    return inputs


def test_tritons_client_finds_the_server_and_the_model(triton):
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("tiny")
    assert triton.is_model_ready("tiny", "0.2.0")
    assert not triton.is_model_ready("tiny", "9.9.9")
    assert "binary_tensor_data" in triton.get_server_metadata()["extensions"]
    metadata = triton.get_model_metadata("tiny")
    assert metadata["versions"] == ["0.1.0", "0.2.0"]
    assert {tensor["name"]: tensor["datatype"] for tensor in metadata["inputs"]} == {
        name: datatype for name, (datatype, _) in DATATYPES.items()
    }


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("binary_output", [None, True, False])
@pytest.mark.parametrize("column", [True, False])
def test_tritons_client_gets_the_same_predictions_in_every_form(triton, expected, binary, binary_output, column):
    from tritonclient.http import InferRequestedOutput

    outputs = None if binary_output is None else [InferRequestedOutput("predict", binary_data=binary_output)]
    result = triton.infer("tiny", tensors(binary=binary, column=column), outputs=outputs, request_id="mine")
    assert result.as_numpy("predict") == pytest.approx(expected, abs=1e-12)
    assert (result.get_response()["id"], result.get_response()["model_version"]) == ("mine", "0.1.0")


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("datatype", ["INT8", "UINT8", "INT16", "INT32", "UINT64", "FP32", "FP64"])
def test_narrower_numbers_give_the_same_predictions(triton, expected, binary, datatype):
    distance = datatype if datatype.startswith("FP") else "FP64"
    result = triton.infer("tiny", tensors(binary=binary, hour=datatype, distance=distance))
    assert result.as_numpy("predict") == pytest.approx(expected, abs=1e-6)


def test_tritons_client_reads_the_repository_index(triton):
    index = triton.get_model_repository_index()
    assert [(entry["name"], entry["version"], entry["state"]) for entry in index] == [
        ("tiny", "0.1.0", "READY"),
        ("tiny", "0.2.0", "READY"),
    ]


def test_tritons_client_is_told_that_releases_load_models(triton):
    from tritonclient.utils import InferenceServerException

    with pytest.raises(InferenceServerException, match="models are loaded by releases"):
        triton.load_model("tiny")
    with pytest.raises(InferenceServerException, match="does not unload them"):
        triton.unload_model("tiny")


def test_tritons_client_reads_statistics(triton):
    def counted() -> dict:
        (found,) = triton.get_inference_statistics("tiny", "0.1.0")["model_stats"]
        return found

    before = counted()
    triton.infer("tiny", tensors())
    after = counted()
    assert after["inference_count"] == before["inference_count"] + 1
    assert after["execution_count"] > before["execution_count"]
    assert after["inference_stats"]["success"]["ns"] > before["inference_stats"]["success"]["ns"]
    versions = [entry["version"] for entry in triton.get_inference_statistics()["model_stats"]]
    assert versions == ["0.1.0", "0.2.0"]


def test_health_says_more_to_clients_that_accept_json(served):
    assert served.predict.get("/health").content == b"\n"
    wait_until(lambda: served.ask().headers["x-rung"] == "champion", "the champion answers")
    health = served.predict.get("/health", headers={"accept": "text/html, application/json;q=0.9"}).json()
    assert (health["state"], health["generation"]) == ("serving", 2)
    assert isinstance(health["problems"], list)
    champion, challenger = health["champion"], health["challenger"]
    assert (champion["version"], champion["role"], champion["worker"]) == ("0.1.0", "champion", "ready")
    assert (champion["trained_at"], champion["trained_until"]) == ("2013-03-01T12:00:00+00:00", "2013-03-01")
    assert 0 < champion["confidence"] < 1
    assert (challenger["version"], challenger["confidence"]) == ("0.2.0", None)


def test_a_version_in_the_path_answers_by_itself(triton, served, expected):
    result = triton.infer("tiny", tensors(), model_version="0.2.0", request_id="forced")
    assert result.get_response()["model_version"] == "0.2.0"
    assert result.as_numpy("predict") != pytest.approx(expected, abs=1e-6)
    assert "forced" not in served.operate.get("/predictions").text


def test_an_answer_is_logged_by_the_requests_id(triton, served):
    triton.infer("tiny", tensors(), request_id="named")
    assert '"request_id":"named"' in served.operate.get("/predictions").text


def test_tritons_client_is_told_which_tensor_is_wrong(triton):
    from tritonclient.utils import InferenceServerException

    with pytest.raises(InferenceServerException, match=r"column 'hour'.*expected long, found bool"):
        triton.infer("tiny", tensors(hour="BOOL"))
    with pytest.raises(InferenceServerException, match="there is no model 'other'"):
        triton.infer("other", tensors())
    with pytest.raises(InferenceServerException, match=r"'9\.9\.9' of 'tiny' is not loaded"):
        triton.infer("tiny", tensors(), model_version="9.9.9")
    with pytest.raises(InferenceServerException, match="column 'hour' is missing"):
        triton.infer("tiny", tensors()[:2])
