"""JSON as in RFC 8259, and the NaN that pandas writes for a missing value, which is read as null.

An error names the position of a number that is infinite.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import orjson

from gateway.rows.refusals import BadRequest

# Looking for the position parses a refused body once more, slowly: worth it for a person's request, not for a flood's.
_SEARCHED_BYTES_MAX = 64 * 1024

# A string, also one without an end, or NaN. Every quote begins a match, so a body is read once. Without possessive
# quantifiers: Python 3.11 before 3.11.5 matches them wrongly.
_STRING_OR_NAN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|NaN', re.DOTALL)


def parse_object(body: bytes | memoryview, kind: str) -> dict[str, Any]:
    """The JSON object in `body`; BadRequest says what stands there instead of `kind`."""
    try:
        document = _loads(body)
    except orjson.JSONDecodeError as exc:
        field = _find_infinite(bytes(body)) if len(body) <= _SEARCHED_BYTES_MAX else None
        if field is not None:
            raise BadRequest(
                f"{field} is infinite; send a finite number, or null for a missing value", field=field
            ) from exc
        raise BadRequest(f"the body is not JSON: {exc} (Infinity is not JSON either)") from exc
    if type(document) is not dict:
        raise BadRequest(f"the body is {kind}, found {_json_type(document)}")
    return document


def _loads(body: bytes | memoryview) -> Any:
    """The document; a body that is JSON but for NaN is read with null in its place."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        whole = bytes(body)
        if b"NaN" not in whole:
            raise
        return orjson.loads(_nan_as_null(whole))


def _nan_as_null(body: bytes) -> bytes:
    return _STRING_OR_NAN.sub(lambda found: b"null" if found[0] == b"NaN" else found[0], body)


def _json_type(value: Any) -> str:
    names = {list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _find_infinite(body: bytes) -> str | None:
    """The path of the first infinite number, in a body that is JSON but for such numbers."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return next(_infinite_paths(document), None)


def _infinite_paths(document: Any) -> Iterator[str]:
    """Depth first, with a stack of its own: a client decides how deep a document is."""
    waiting = [("", document)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, float) and math.isinf(value):
            yield path or "the body"
        elif isinstance(value, dict):
            waiting += [(f"{path}.{key}" if path else key, item) for key, item in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [(f"{path}[{index}]", value[index]) for index in range(len(value) - 1, -1, -1)]
