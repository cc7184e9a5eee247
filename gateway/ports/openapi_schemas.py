"""Schemas of the bodies that the predict port reads and answers."""

from gateway.ports.log_requests import FeedbackBody
from gateway.ports.openapi import (
    INTEGER,
    NUMBER,
    SCALAR,
    STRING,
    Node,
    many,
    record,
)
from gateway.wire.mlflow import JSON_FORMATS
from gateway.wire.tensors import DATATYPES


def predict_schemas() -> Node:
    """By name, as the document refers to them."""
    rows = many(many(SCALAR), least=1)
    records = many({"type": "object", "additionalProperties": SCALAR}, least=1)
    formats = {
        "dataframe_split": record(
            {"columns": {"type": ["array", "null"], "items": STRING}, "data": rows, "index": many(SCALAR)},
            optional=("columns", "index"),
            closed=True,
        ),
        "dataframe_records": records,
        "instances": {"anyOf": [rows, records]},
        "inputs": {"anyOf": [{"type": "object", "additionalProperties": many(SCALAR, least=1)}, rows, records]},
    }
    body = FeedbackBody.model_json_schema(ref_template="#/components/schemas/{model}")
    parameters = {"type": ["object", "null"]}
    tensor = {"name": STRING, "datatype": {"enum": list(DATATYPES)}, "shape": many(INTEGER, least=1)}
    asked = tensor | {"data": {"type": "array"}, "parameters": parameters}
    wanted = record({"name": {"const": "predict"}, "parameters": parameters}, optional=("parameters",))
    given = record({**tensor, "data": {"type": "array"}, "parameters": parameters}, optional=("data", "parameters"))
    prediction = {"anyOf": [NUMBER, STRING, {"type": "null"}, many(NUMBER)]}
    described = record({**tensor, "parameters": parameters}, optional=("parameters",))
    return {
        "Error": record({"error_code": STRING, "message": STRING, "field": STRING}, optional=("field",)),
        "InferenceError": record({"error": STRING}),
        "Predictions": record({"predictions": many(prediction, least=1)}),
        "Invocation": {
            "oneOf": [
                record({name: formats[name], "params": {"type": "object"}}, optional=("params",))
                for name in JSON_FORMATS
            ]
        },
        **body.pop("$defs"),
        "FeedbackBody": body,
        "InferenceRequest": record(
            {
                "id": {"type": "string", "maxLength": 256, "pattern": "^[ -~]*$"},
                "inputs": many(record(asked, optional=("data", "parameters")), least=1),
                "outputs": many(wanted),
                "parameters": parameters,
            },
            optional=("id", "outputs", "parameters"),
        ),
        "InferenceResponse": record(
            {"model_name": STRING, "model_version": STRING, "id": STRING, "outputs": many(given, least=1)},
            optional=("id",),
        ),
        "ModelStatistics": record({"model_stats": many(_statistics_schema())}),
        "RepositoryIndex": many(record({"name": STRING, "version": STRING, "state": STRING, "reason": STRING})),
        "ModelMetadata": record(
            {
                "name": STRING,
                "versions": many(STRING),
                "platform": STRING,
                "inputs": many(described),
                "outputs": many(described),
                "parameters": parameters,
            }
        ),
    }


def _statistics_schema() -> Node:
    duration = record({"count": INTEGER, "ns": INTEGER})
    return record(
        {
            "name": STRING,
            "version": STRING,
            "inference_count": INTEGER,
            "execution_count": INTEGER,
            "inference_stats": {"type": "object", "additionalProperties": duration},
            "batch_stats": many({"type": "object"}),
        }
    )
