"""Seeded malformed requests: bodies of every protocol, broken a little in bytes, in structure or in their headers."""

import copy
import json
import random
import struct
from dataclasses import dataclass
from typing import Any

_ROWS = [["AA", 1.5, 7], ["UA", 2.5, 8]]
_NAMES = ["carrier", "distance", "hour"]
_RECORDS = [dict(zip(_NAMES, row, strict=True)) for row in _ROWS]
_TENSORS = [
    {"name": "carrier", "shape": [2], "datatype": "BYTES", "data": ["AA", "UA"]},
    {"name": "distance", "shape": [2], "datatype": "FP64", "data": [1.5, 2.5]},
    {"name": "hour", "shape": [2, 1], "datatype": "INT64", "data": [[7], [8]]},
]
_BINARY = struct.pack("<I2sI2s2d2q", 2, b"AA", 2, b"UA", 1.5, 2.5, 7, 8)
_BINARY_TENSORS = [
    {"name": "carrier", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": 12}},
    {"name": "distance", "shape": [2], "datatype": "FP64", "parameters": {"binary_data_size": 16}},
    {"name": "hour", "shape": [2], "datatype": "INT64", "parameters": {"binary_data_size": 16}},
]
_INFER, _INVOKE, _FEEDBACK = "/v2/models/tiny/infer", "/invocations", "/feedback"
_DOCUMENTS: list[tuple[str, Any, bytes]] = [
    (_INVOKE, {"dataframe_split": {"columns": _NAMES, "data": _ROWS, "index": [0, 1]}}, b""),
    (_INVOKE, {"dataframe_records": _RECORDS, "params": {"a": 1}}, b""),
    (_INVOKE, {"instances": _ROWS}, b""),
    (_INVOKE, {"inputs": {"carrier": ["AA"], "distance": [1.5], "hour": [7], "id": ["k"]}}, b""),
    (_INFER, {"id": "x", "inputs": _TENSORS, "outputs": [{"name": "predict"}], "parameters": {"a": 1}}, b""),
    (_INFER, {"inputs": _BINARY_TENSORS, "parameters": {"binary_data_output": True}}, _BINARY),
    (_FEEDBACK, {"labels": [{"request_id": "r", "row": 0, "label": 1.0}]}, b""),
]
_CSV = b"carrier,distance,hour\nAA,1.5,7\nUA,2.5,8\n"
_ODD: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 1e308, 2**53, 2**63, -(2**63), 10**30, "", "x", "NaN", "\x00", "ü", "\u2028"),
    *("x" * 5000, [], [[]], {}, [1], ["AA"], {"a": 1}, [[[[[]]]]], [None], float("nan"), float("inf"), "1.5", "7"),
]
_TOKENS = [
    *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"null", b"true", b"9" * 400, b"9" * 5000, b"0x1", b"1."),
    *(b'"\\ud800"', b'"\\u0000"', b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"[" * 2000, b'{"a":' * 1500, b"]", b"}"),
    *(b'"', b"\\", b"\r\n", b"\xef\xbb\xbf", b"'", b"/*", b"\n,,,,,\n", b'"a""b', b"1_000", "٣".encode(), b"inf"),
    *(b",", b":", b"-", b"nan"),
]
_CONTENT_TYPES = [
    *("application/json", "text/csv", "application/octet-stream", "", "text/html", "application/json; charset=utf-16"),
    *("application/json; charset=utf-8", "text/csv;header=no", ";", "application/vnd.apache.parquet", "\xff"),
]
_LENGTHS = ["0", "1", "-1", "7", "100000", "1e3", "x", "9" * 30, " 5 ", "\xb2"]
_NAMES_OF_HEADERS = ("x-request-id", "x-route-key", "x-model-digest", "content-encoding", "x-api-key", "authorization")


@dataclass(frozen=True)
class Broken:
    path: str
    headers: dict[str, str]
    body: bytes

    def wire(self) -> bytes:
        """The request on a connection that stays."""
        fields = {"host": "fuzz", "content-length": str(len(self.body)), **self.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"POST {self.path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + self.body


def broken_request(generator: random.Random) -> Broken:
    """The generator's next request. Some are still valid; the server knows which."""
    headers = {"content-type": "application/json"}
    if generator.random() < 0.15:
        path, body, headers["content-type"] = _INVOKE, _CSV, "text/csv"
    else:
        path, document, tail = generator.choice(_DOCUMENTS)
        if generator.random() < 0.5:
            document = _with_odd_part(generator, document)
        head = json.dumps(document).encode()
        body = head + tail
        if tail:
            headers |= {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
    for _ in range(generator.choice((0, 1, 1, 2, 5))):
        body = _with_odd_bytes(generator, body)
    if generator.random() < 0.1:
        headers |= _odd_headers(generator)
    if generator.random() < 0.02:
        path = generator.choice((_INVOKE, _INFER, _FEEDBACK, "/v2/models/tiny/versions/9/infer", "/v2/models//infer"))
    return Broken(path, headers, body)


def _with_odd_part(generator: random.Random, document: Any) -> Any:
    """One part replaced, removed, repeated or renamed."""
    document = copy.deepcopy(document)
    node = document
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = generator.choice(keys)
        below = node[key]
        if isinstance(below, dict | list) and below and generator.random() < 0.75:
            node = below
            continue
        match generator.randrange(5):
            case 0:
                del node[key]
            case 1 if isinstance(node, list):
                node.append(below)
            case 2 if isinstance(node, dict):
                node[generator.choice(("x", "", "hour", "name", "data", "\u0000"))] = node.pop(key)
            case _:
                node[key] = generator.choice(_ODD)
        return document


def _with_odd_bytes(generator: random.Random, body: bytes) -> bytes:
    start = generator.randrange(len(body) + 1)
    end = min(len(body), start + generator.choice((0, 1, 1, 3, 10)))
    match generator.randrange(5):
        case 0:
            return body[:start]
        case 1:
            return body[:start] + body[end:]
        case 2:
            return body[:start] + generator.randbytes(end - start + 1) + body[end:]
        case 3:
            return body[:end] + body[start:]
    return body[:start] + generator.choice(_TOKENS) + body[end:]


def _odd_headers(generator: random.Random) -> dict[str, str]:
    match generator.randrange(3):
        case 0:
            return {"content-type": generator.choice(_CONTENT_TYPES)}
        case 1:
            return {"inference-header-content-length": generator.choice(_LENGTHS)}
    return {
        generator.choice(_NAMES_OF_HEADERS): generator.choice(("", "x", "x" * 300, "\xff", "gzip", "Bearer", "a b"))
    }
