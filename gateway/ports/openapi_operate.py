"""The operate port's OpenAPI document: the status page, what serves, the log, labels, restarts."""

from gateway.ports.log_requests import DrainedBody, FeedbackBody
from gateway.ports.openapi import (
    BOOLEAN,
    HTML_TYPE,
    INTEGER,
    JSON_TYPE,
    LINES_TYPE,
    NUMBER,
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
from gateway.ports.openapi_predict import feedback_operation
from gateway.ports.purpose import Purpose
from healing.release import Mode
from healing.verdict import Outcome

_AFTER = parameter("query", "after", "Only entries with a higher `seq`.", {"type": "integer", "minimum": 0})
_LIMIT = parameter(
    "query",
    "limit",
    "At most so many entries.",
    {"type": "integer", "minimum": 1, "maximum": 100_000, "default": 10_000},
)
_DIGEST = parameter("path", "digest", "A loaded model's digest.", STRING)


def operate_document() -> Node:
    """The document of the operate port."""
    message = "For operators and the control plane: it shows and restarts, and never decides what serves."
    return document("Gateway: operate port", message, _paths(), _schemas())


def _paths() -> Node:
    metrics = {200: answer("Metrics in Prometheus' text format.", {TEXT_TYPE: STRING})}
    health = {200: _json("It runs.", record({"pipeline": STRING, "serving": BOOLEAN, "loops": _loops()}))}
    restarted = {202: _json("Its workers start over.", record({"digest": STRING, "state": STRING}))}
    state = {200: _json("It.", ref("ReleaseState"))}
    page = {200: answer("It.", {HTML_TYPE: STRING})}
    status = {200: _json("What the page shows.", {"type": "object"})}
    return {
        "/": {"get": operation("statusPage", "The status page, without values where a key is missing", None, page)},
        "/status": {
            "get": operation(
                "status", "The status page as JSON; `/status/events` streams its changes", Purpose.OPERATE, status
            )
        },
        "/release": {"get": operation("release", "What serves, and what is wrong", Purpose.OPERATE, state)},
        "/metrics": {"get": operation("metrics", "Prometheus", Purpose.OPERATE, metrics)},
        "/health": {"get": operation("health", "Whether the process runs", None, health)},
        "/predictions": {"get": _stream("predictions", "Answered rows, oldest first")},
        "/shadow": {"get": _stream("shadow", "What shadow challengers scored, oldest first")},
        "/labels": {"get": _stream("labels", "Labels that clients sent, oldest first")},
        "/outcomes": {"get": _stream("outcomes", "Outcomes that clients sent, oldest first")},
        "/predictions/drained": {"post": _drained("predictions")},
        "/shadow/drained": {"post": _drained("shadow")},
        "/labels/drained": {"post": _drained("labels")},
        "/outcomes/drained": {"post": _drained("outcomes")},
        "/feedback": {"post": feedback_operation()},
        "/workers/{digest}/restart": {
            "post": operation(
                "restartWorker",
                "Start a version's worker over, also one that was set aside",
                Purpose.OPERATE,
                restarted,
                refusals=(404,),
                parameters=[_DIGEST],
            )
        },
        "/openapi.json": {"get": operation("openapi", "This document", None, {200: _json("It.", {"type": "object"})})},
        "/docs": {"get": operation("docs", "This document as a page", None, page)},
    }


def _loops() -> Node:
    loop = record({"runs": INTEGER, "failures": INTEGER, "error": STRING, "seconds_since_run": NUMBER})
    return {"type": "object", "additionalProperties": loop}


def _json(description: str, schema: Node) -> Node:
    return answer(description, {JSON_TYPE: schema})


def _stream(name: str, summary: str) -> Node:
    lines = {200: answer("One JSON object a line.", {LINES_TYPE: {}})}
    return operation(name, summary, Purpose.OPERATE, lines, refusals=(400,), parameters=[_AFTER, _LIMIT])


def _drained(name: str) -> Node:
    deleted = {200: _json("Closed segments up to there are deleted.", record({"deleted_segments": INTEGER}))}
    summary = f"Say up to where the lake has the stream of {name}"
    body = {JSON_TYPE: {"schema": ref("DrainedBody")}}
    return operation(f"{name}Drained", summary, Purpose.OPERATE, deleted, refusals=(400, 413), body=body)


def _schemas() -> Node:
    body = FeedbackBody.model_json_schema(ref_template="#/components/schemas/{model}")
    problem = record({"code": STRING, "subject": STRING, "message": STRING, "since": STRING})
    worker = record(
        {
            "digest": STRING,
            "version": STRING,
            "role": {"enum": ["champion", "challenger", "fallback", "next"]},
            "number": INTEGER,
            "pid": {"type": ["integer", "null"]},
            "state": STRING,
            "breaker": {"enum": ["open", "closed"]},
            "restarts": INTEGER,
            "keeps_growing": {"type": "boolean"},
        }
    )
    counts = record({"good": INTEGER, "degraded": INTEGER, "failed": INTEGER})
    return {
        "Error": record({"error_code": STRING, "message": STRING, "field": STRING}, optional=("field",)),
        **body.pop("$defs"),
        "FeedbackBody": body,
        "DrainedBody": DrainedBody.model_json_schema(),
        "ReleaseState": record(
            {
                "pipeline": STRING,
                "desired_generation": INTEGER,
                "active_generation": INTEGER,
                "release": {"type": ["object", "null"]},
                "problems": many(problem),
                "trial": {"anyOf": [_trial(), {"type": "null"}]},
                "workers": many(worker),
                "served": counts,
                "unlogged_rows": INTEGER,
            }
        ),
    }


def _trial() -> Node:
    or_null: Node = {"type": ["number", "null"]}
    outcome: Node = {"enum": [Outcome.FAIL.value, Outcome.INCONCLUSIVE.value]}
    arm = record({"requests": INTEGER, "errors": INTEGER, "latency_p50_ms": or_null})
    check = record(
        {
            "check": STRING,
            "outcome": outcome,
            "log_e": NUMBER,
            "threshold_log_e": NUMBER,
            "observations": INTEGER,
            "votes": BOOLEAN,
            "reason": STRING,
        }
    )
    return record(
        {
            "digest": STRING,
            "version": STRING,
            "mode": {"enum": [mode.value for mode in Mode]},
            "weight": NUMBER,
            "generation": INTEGER,
            "challenger": arm,
            "champion": arm,
            "slow_seconds": or_null,
            "verdict": outcome,
            "reason": {"type": ["string", "null"]},
            "checks": many(check),
        }
    )
