"""The predict port's OpenAPI document: MLflow's protocol, the Open Inference Protocol, labels."""

from functools import partial
from typing import Any

from gateway.ports.openapi import (
    BINARY_TYPE,
    BOOLEAN,
    CSV_TYPE,
    HEADER_NAME,
    HTML_TYPE,
    INTEGER,
    JSON_TYPE,
    STRING,
    TEXT_TYPE,
    Node,
    answer,
    document,
    many,
    operation,
    parameter,
    record,
    ref,
)
from gateway.ports.openapi_schemas import predict_schemas
from gateway.ports.purpose import Purpose
from gateway.ports.request_handler import TIMEOUT_MS_MAX

_ANSWERED_BY = {
    "x-request-id": "Name of this request in the log.",
    "x-rung": "Who answered: challenger, champion, fallback or baseline.",
    "x-model-version": "Version of the model, or `baseline`.",
    "x-model-digest": "Digest of the model; absent for the baseline.",
    "x-release-generation": "Release that the request was answered under.",
    "x-ignored-columns": "Columns of the request that no active version reads; else absent.",
    "x-absent-columns": "Nullable columns of the model that the request does not have; else absent.",
    "x-outside-training": "Columns with numbers beyond all that the champion was trained on; else absent.",
    "x-ignored": "`params` where the request had MLflow's `params`, which are ignored; else absent.",
    "x-degraded": "`true` where a rung below the champion answered; else absent.",
}
_TIMEOUT: Node = {"type": "integer", "minimum": 1, "maximum": TIMEOUT_MS_MAX}
_ASKING = [
    parameter("header", "x-request-id", "Name of this request in log and answer; made up when absent.", HEADER_NAME),
    parameter("header", "x-route-key", "Requests with one key meet the same arm of a canary.", HEADER_NAME),
    parameter("header", "x-request-timeout-ms", "How long the client waits.", _TIMEOUT),
    parameter("header", "x-model-digest", "Ask this loaded version and no other; such a probe is not logged.", STRING),
]
_VERSION = parameter("path", "version", "A loaded semantic version.", STRING)
_LEARN = {
    JSON_TYPE: {
        "schema": ref("Invocation"),
        "example": {"dataframe_split": {"columns": ["carrier", "distance"], "data": [["AA", 1400.0]]}},
    },
    CSV_TYPE: {"schema": STRING, "example": "carrier,distance\nAA,1400.0\n"},
}
_INFER = {
    JSON_TYPE: {
        "schema": ref("InferenceRequest"),
        "example": {"inputs": [{"name": "distance", "shape": [1], "datatype": "FP64", "data": [1400.0]}]},
    },
    BINARY_TYPE: {"schema": {}},
}


_HEALTH = (
    "With `application/json` in `accept`: `state` (`serving`, `degraded`, `no_release`), generation, problems, and of "
    "champion and challenger the version, when it was trained, the states of its workers and its confidence. A client "
    "without the key that predictions need gets the state only. Without that header, an empty line, as MLflow's server "
    "answers."
)
_STATISTICS = "Requests, failures and batches of each loaded version since it was loaded; times in nanoseconds."


def predict_document(pipeline: str) -> Node:
    """The document of a predict port; the pipeline's name is the only model that it has."""
    message = (
        "Predictions of one pipeline. Columns are those of the model's input schema, which `GET /v2/models/{name}` "
        "lists, and its key column. JSON has no NaN: a missing value is null."
    )
    return document(
        "Gateway: predict port", message, {**_mlflow(), **_open_inference(pipeline), **_about()}, predict_schemas()
    )


def _mlflow() -> Node:
    ready = operation(
        "ping", "Whether a release is active", None, {200: answer("It is; an empty line.", {})}, refusals=(503,)
    )
    return {
        "/invocations": {
            "post": operation(
                "invoke",
                "Predict, as MLflow's scoring server does",
                Purpose.PREDICT,
                {
                    200: answer(
                        "One prediction per row: a number, a label, or the numbers of all classes or outputs.",
                        {JSON_TYPE: ref("Predictions")},
                        _ANSWERED_BY,
                    )
                },
                refusals=(400, 404, 408, 413, 415, 502, 503),
                body=_LEARN,
                parameters=_ASKING,
            )
        },
        "/ping": {"get": ready},
        "/health": {"get": ready | {"operationId": "health", "description": _HEALTH}},
        "/version": {
            "get": operation(
                "version", "Version of this software", Purpose.PREDICT, {200: answer("It.", {TEXT_TYPE: STRING})}
            )
        },
        "/feedback": {"post": feedback_operation()},
    }


def feedback_operation() -> Node:
    """The same on both ports."""
    return operation(
        "feedback",
        "Give labels and outcomes to answered requests",
        Purpose.FEEDBACK,
        {200: answer("They are stored.", {JSON_TYPE: record({"accepted": INTEGER})})},
        refusals=(400, 408, 413, 503),
        body={JSON_TYPE: {"schema": ref("FeedbackBody")}},
    )


def _open_inference(pipeline: str) -> Node:
    model = parameter("path", "name", "The pipeline's name.", {"const": pipeline})
    v2 = partial(operation, error="InferenceError")
    server = record({"name": STRING, "version": STRING, "extensions": many(STRING)})
    ready = record({"name": STRING, "ready": BOOLEAN})
    paths: Node = {
        "/v2": {"get": v2("server", "About the server", Purpose.PREDICT, {200: answer("It.", {JSON_TYPE: server})})},
        "/v2/health/live": {
            "get": v2("live", "Whether the process runs", None, {200: _json("It does.", record({"live": BOOLEAN}))})
        },
        "/v2/health/ready": {
            "get": v2(
                "ready",
                "Whether a release is active",
                None,
                {status: _json("As it says.", record({"ready": BOOLEAN})) for status in (200, 503)},
            )
        },
    }
    for place, suffix, parameters in (
        ("/v2/models/{name}", "", [model]),
        ("/v2/models/{name}/versions/{version}", "Version", [model, _VERSION]),
    ):
        described = {200: _json("Its tensors.", ref("ModelMetadata"))}
        paths[place] = {
            "get": v2(
                f"metadata{suffix}",
                "Inputs and outputs of the model",
                Purpose.PREDICT,
                described,
                refusals=(404, 503),
                parameters=parameters,
            )
        }
        paths[f"{place}/ready"] = {
            "get": v2(
                f"modelReady{suffix}",
                "Whether the model answers",
                Purpose.PREDICT,
                {status: _json("As it says.", ready) for status in (200, 503)},
                refusals=(404,),
                parameters=parameters,
            )
        }
        paths[f"{place}/stats"] = {
            "get": v2(
                f"statistics{suffix}",
                _STATISTICS,
                Purpose.PREDICT,
                {200: _json("They.", ref("ModelStatistics"))},
                refusals=(404, 503),
                parameters=parameters,
            )
        }
        paths[f"{place}/infer"] = {
            "post": v2(
                f"infer{suffix}",
                "Predict, as the Open Inference Protocol has it",
                Purpose.PREDICT,
                {200: _inferred()},
                refusals=(400, 404, 408, 413, 415, 502, 503),
                body=_INFER,
                parameters=[*parameters, *_ASKING],
            )
        }
    paths["/v2/models/stats"] = {
        "get": v2("allStatistics", _STATISTICS, Purpose.PREDICT, {200: _json("They.", ref("ModelStatistics"))})
    }
    paths["/v2/repository/index"] = {
        "post": v2(
            "repositoryIndex",
            "The loaded versions; with `ready`, those that answer",
            Purpose.PREDICT,
            {200: _json("They.", ref("RepositoryIndex"))},
            refusals=(400, 408, 413),
            body={JSON_TYPE: {"schema": record({"ready": BOOLEAN}, optional=("ready",))}},
        )
    }
    for action in ("load", "unload"):
        paths[f"/v2/repository/models/{{name}}/{action}"] = {
            "post": v2(
                f"{action}Model",
                "Always refused: models are loaded by releases",
                Purpose.PREDICT,
                {},
                refusals=(400, 404),
                parameters=[model],
            )
        }
    return paths


def _json(description: str, schema: Node) -> Node:
    return answer(description, {JSON_TYPE: schema})


def _inferred() -> Node:
    content: dict[str, Any] = {JSON_TYPE: ref("InferenceResponse"), BINARY_TYPE: {}}
    return answer("One tensor, `predict`; binary where the request asks for it.", content, _ANSWERED_BY)


def _about() -> Node:
    page = answer("It.", {HTML_TYPE: STRING})
    return {
        "/openapi.json": {"get": operation("openapi", "This document", None, {200: _json("It.", {"type": "object"})})},
        "/docs": {"get": operation("docs", "This document as a page", None, {200: page})},
    }
