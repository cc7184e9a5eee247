"""JSON as in RFC 8259, without NaN and Infinity; an error names the place of a number that is not finite."""

import json
import math
from collections.abc import Iterator
from typing import Any

import orjson

from gateway.rows.refusals import BadRequest

# Looking for the NaN parses a refused body once more, slowly: worth it for a person's request, not for a flood's.
_SEARCHED_BYTES_MAX = 64 * 1024


def parse_object(body: bytes | memoryview, kind: str) -> dict[str, Any]:
    """The JSON object in `body`; BadRequest says what stands there instead of `kind`."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        field = _find_non_finite(bytes(body)) if len(body) <= _SEARCHED_BYTES_MAX else None
        if field is not None:
            raise BadRequest(f"{field} is NaN or infinite, which JSON has no word for: send null", field=field) from exc
        raise BadRequest(f"the body is not JSON: {exc} (NaN and Infinity are not JSON either: send null)") from exc
    if type(document) is not dict:
        raise BadRequest(f"the body is {kind}, found {_json_type(document)}")
    return document


def _json_type(value: Any) -> str:
    names = {list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _find_non_finite(body: bytes) -> str | None:
    """The path of the first number that is not finite, in a body that is JSON but for such numbers."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return next(_non_finite_paths(document), None)


def _non_finite_paths(document: Any) -> Iterator[str]:
    """Depth first, with a stack of its own: a client decides how deep a document is."""
    waiting = [("", document)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, float) and not math.isfinite(value):
            yield path or "the body"
        elif isinstance(value, dict):
            waiting += [(f"{path}.{key}" if path else key, item) for key, item in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [(f"{path}[{index}]", value[index]) for index in range(len(value) - 1, -1, -1)]
