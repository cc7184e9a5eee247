"""Bodies mean to the gateway what they mean to MLflow's own scoring server, and errors have the same shape."""

import json

import pandas as pd
import pytest

from gateway.rows.refusals import BadRequest, error_body
from gateway.rows.schema import Binder
from gateway.wire.mlflow import read_request
from tests.published import SCHEMA

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning"),  # MLflow warns of its own modules
]
NAMES = list(SCHEMA.names)
ROWS = [["AA", 1.5, 7], ["UA", 2.5, 8]]
RECORDS = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
COLUMNS = {name: [row[index] for row in ROWS] for index, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def mlflow_rows():
    """What MLflow's scoring server hands to a model with this signature, or the MlflowException that it answers."""
    from mlflow.models.utils import _enforce_schema
    from mlflow.pyfunc.scoring_server import _parse_json_data
    from mlflow.types import ColSpec, Schema

    schema = Schema([ColSpec(column.type, column.name, required=not column.nullable) for column in SCHEMA.columns])

    class Metadata:
        @staticmethod
        def get_params_schema():
            return None

    def rows_of(body: bytes) -> list[list]:
        given = _parse_json_data(body, Metadata(), schema).data
        return pd.DataFrame(_enforce_schema(given, schema))[NAMES].to_numpy(dtype=object).tolist()

    return rows_of


def our_rows(body: bytes) -> list[list]:
    bound = Binder(SCHEMA).bind(read_request({b"content-type": b"application/json"}, body).table)
    return [list(row) for row in bound.rows]


@pytest.mark.parametrize(
    "document",
    [
        {"dataframe_split": {"columns": NAMES, "data": ROWS}},
        {"dataframe_split": {"columns": NAMES, "data": ROWS, "index": [7, 9]}},
        {"dataframe_split": {"columns": NAMES[::-1], "data": [row[::-1] for row in ROWS]}},
        {"dataframe_records": RECORDS},
        {"instances": RECORDS},
        {"inputs": COLUMNS},
        {"inputs": RECORDS},
        {"dataframe_records": RECORDS, "params": {"temperature": 1}},
        {"dataframe_records": RECORDS, "client_request_id": "mine"},
    ],
)
def test_what_mlflow_reads_is_read_alike(mlflow_rows, document):
    body = json.dumps(document).encode()
    assert our_rows(body) == mlflow_rows(body)


@pytest.mark.parametrize(
    "document",
    [
        *(
            [],
            5,
            "x",
            {},
            {"inputs": COLUMNS, "instances": RECORDS},
            {"dataframe_split": []},
            {"dataframe_records": {}},
        ),
        *({"dataframe_split": {"columns": NAMES}}, {"dataframe_split": {"columns": NAMES, "data": ROWS, "odd": 1}}),
        {"dataframe_split": {"columns": NAMES, "data": [["AA", 1.5]]}},
        {"dataframe_records": [{"carrier": "AA", "distance": 1.5}]},
        {"dataframe_split": {"columns": NAMES, "data": [["AA", "far", 7]]}},
    ],
)
def test_what_mlflow_refuses_is_refused(mlflow_rows, document):
    from mlflow.exceptions import MlflowException

    body = json.dumps(document).encode()
    with pytest.raises(MlflowException):
        mlflow_rows(body)
    with pytest.raises(BadRequest):
        our_rows(body)


def test_what_mlflow_would_truncate_is_refused(mlflow_rows):
    body = json.dumps({"dataframe_split": {"columns": NAMES, "data": [["AA", 1.5, 7.5]]}}).encode()
    assert mlflow_rows(body) == [["AA", 1.5, 7]]
    with pytest.raises(BadRequest, match=r"expected long, found float 7\.5"):
        our_rows(body)


def test_an_error_has_what_mlflows_clients_look_for():
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import BAD_REQUEST

    theirs = json.loads(MlflowException("why", error_code=BAD_REQUEST).serialize_as_json())
    assert json.loads(error_body("BAD_REQUEST", "why")).items() <= theirs.items()
