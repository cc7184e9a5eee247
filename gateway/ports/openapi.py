"""What both ports' OpenAPI 3.1 documents are made of: operations, answers, parameters, and who may ask."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.ports.purpose import Purpose
from gateway.ports.software import NAME, software_version

Node = dict[str, Any]
JSON_TYPE, TEXT_TYPE, CSV_TYPE, BINARY_TYPE = "application/json", "text/plain", "text/csv", "application/octet-stream"
LINES_TYPE, HTML_TYPE = "application/x-ndjson", "text/html"

STRING: Node = {"type": "string"}
NUMBER: Node = {"type": "number"}
INTEGER: Node = {"type": "integer"}
BOOLEAN: Node = {"type": "boolean"}
SCALAR: Node = {"type": ["string", "number", "boolean", "null"]}
HEADER_NAME: Node = {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[!-~]+$"}

_WHY = {
    400: "The request is wrong as it stands; the message names the part.",
    401: "A key is needed; `www-authenticate` says how to send it.",
    403: "The key is for something else, or this is switched off.",
    404: "There is no such thing here.",
    408: "The body took too long to arrive.",
    413: "The body is too long, or has too many rows.",
    415: "The content type is none that this endpoint reads.",
    502: "The version that was asked for has no usable answer to these rows.",
    503: "Not now; `retry-after` says when to ask again.",
}


def document(title: str, description: str, paths: Node, schemas: Node) -> Node:
    """A whole document, with the two ways to send a key."""
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": software_version(), "summary": NAME, "description": description},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def record(fields: Mapping[str, Node], *, optional: Sequence[str] = (), closed: bool = False) -> Node:
    """An object's schema; every field is there but the `optional` ones, and no other where it is closed."""
    required = [name for name in fields if name not in optional]
    node: Node = {"type": "object", "properties": dict(fields)}
    return node | ({"required": required} if required else {}) | ({"additionalProperties": False} if closed else {})


def many(items: Node, *, least: int = 0) -> Node:
    """A list's schema."""
    return {"type": "array", "items": items} | ({"minItems": least} if least else {})


def ref(name: str) -> Node:
    """A schema that the document names."""
    return {"$ref": f"#/components/schemas/{name}"}


def answer(description: str, content: Mapping[str, Node], headers: Mapping[str, str] | None = None) -> Node:
    """What comes back; `content` maps media types to schemas."""
    node: Node = {"description": description}
    if content:
        node["content"] = {media_type: {"schema": schema} for media_type, schema in content.items()}
    if headers:
        node["headers"] = {name: {"description": what, "schema": STRING} for name, what in headers.items()}
    return node


def operation(
    name: str,
    summary: str,
    purpose: Purpose | None,
    answers: Mapping[int, Node],
    *,
    refusals: Sequence[int] = (),
    error: str = "Error",
    body: Node | None = None,
    parameters: Sequence[Node] = (),
) -> Node:
    """One method of one path. Where a key may be asked for, 401 and 403 are among its refusals."""
    statuses = sorted({*refusals, *((401, 403) if purpose is not None else ())})
    refused = {status: answer(_WHY[status], {JSON_TYPE: ref(error)}, _headers(status)) for status in statuses}
    node: Node = {
        "operationId": name,
        "summary": summary,
        "responses": {str(status): node for status, node in sorted({**answers, **refused}.items())},
        "security": [{}] if purpose is None else [{}, {"bearer": []}, {"key": []}],
    }
    if purpose is not None:
        node["description"] = f"With keys set, this takes one to {purpose}."
    if parameters:
        node["parameters"] = list(parameters)
    if body is not None:
        node["requestBody"] = {"required": True, "content": body}
    return node


def _headers(status: int) -> dict[str, str] | None:
    if status == 503:
        return {"retry-after": "Seconds to wait."}
    return {"www-authenticate": "How to send a key."} if status == 401 else None


def parameter(where: str, name: str, description: str, schema: Node) -> Node:
    """A header, a query field or a part of the path."""
    return {"in": where, "name": name, "description": description, "schema": schema, "required": where == "path"}
