"""Tensors become the same rows as any other body; what does not fit is refused by the tensor's name."""

import json
import struct

import orjson
import pytest

from gateway.rows.refusals import BadRequest
from gateway.rows.schema import Binder
from gateway.wire.open_inference import read_request
from releases.manifest import Column, InputSchema
from tests.published import SCHEMA

CARRIER = {"name": "carrier", "shape": [2], "datatype": "BYTES", "data": ["AA", "UA"]}
DISTANCE = {"name": "distance", "shape": [2], "datatype": "FP64", "data": [1.5, None]}
HOUR = {"name": "hour", "shape": [2], "datatype": "INT64", "data": [7, 8]}
ROWS = [["AA", 1.5, 7], ["UA", None, 8]]


def ask(*inputs, headers=None, tail=b"", **fields):
    head = orjson.dumps({"inputs": inputs, **fields})
    sized = {b"inference-header-content-length": str(len(head)).encode()} if tail else {}
    return read_request("tiny", {**sized, **(headers or {})}, head + tail)


def rows_of(asked):
    return [list(row) for row in Binder(SCHEMA).bind(asked.table).rows]


def strings(*words):
    return b"".join(struct.pack("<I", len(word)) + word for word in words)


def binary(tensor, size):
    return {name: value for name, value in tensor.items() if name != "data"} | {
        "parameters": {"binary_data_size": size}
    }


def test_one_tensor_is_one_column_in_any_order():
    assert rows_of(ask(HOUR, CARRIER, DISTANCE)) == ROWS


NUMBERS = InputSchema(columns=(Column(name="miles", type="double"), Column(name="stops", type="long", nullable=False)))


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64", "INT64", "UINT8"])
@pytest.mark.parametrize("form", ["flat", "nested", "binary"])
def test_one_tensor_may_have_all_columns(datatype, form):
    tensor = {"name": "features", "shape": [3, 2], "datatype": datatype, "data": [1, 7, 2, 8, 3, 9]}
    tail = b""
    if form == "nested":
        tensor["data"] = [[1, 7], [2, 8], [3, 9]]
    elif form == "binary":
        code = {"FP16": "e", "FP32": "f", "FP64": "d", "INT64": "q", "UINT8": "B"}[datatype]
        tail = struct.pack(f"<6{code}", 1, 7, 2, 8, 3, 9)
        tensor = binary(tensor, len(tail))
    rows = Binder(NUMBERS).bind(ask(tensor, tail=tail).table).rows
    assert [list(row) for row in rows] == [[1, 7], [2, 8], [3, 9]]
    assert {type(row[1]) for row in rows} == {int}


def test_a_nan_in_a_tensor_with_all_columns_is_missing():
    tail = struct.pack("<4f", float("nan"), 7, 0.5, 8)
    tensor = binary({"name": "x", "shape": [2, 2], "datatype": "FP32", "data": None}, len(tail))
    assert [list(row) for row in Binder(NUMBERS).bind(ask(tensor, tail=tail).table).rows] == [[None, 7], [0.5, 8]]


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ([{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]}], "has 2 values, found 3"),
        ([{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1]}], "data of 2 values, found 1"),
        ([{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [[1], [2]]}], "2 values in each row"),
        ([{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 2.5]}], "expected long, found float"),
        (
            [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}] * 2,
            "with several tensors each is a col",
        ),
    ],
)
def test_a_tensor_with_all_columns_that_does_not_fit_is_refused(tensors, message):
    with pytest.raises(BadRequest, match=message):
        Binder(NUMBERS).bind(ask(*tensors).table)


def test_a_row_may_be_a_list_of_its_own():
    nested = DISTANCE | {"shape": [2, 1], "data": [[1.5], [None]]}
    assert rows_of(ask(CARRIER, nested, HOUR)) == ROWS


def test_binary_tensors_follow_the_json_and_nan_is_missing():
    hours, words = struct.pack("<2q", 7, 8), strings(b"AA", b"UA")
    distances = struct.pack("<2d", 1.5, float("nan"))
    asked = ask(
        binary(CARRIER, len(words)), binary(HOUR, 16), binary(DISTANCE, 16), tail=words + hours + distances
    )  # fmt: skip
    assert rows_of(asked) == ROWS


def test_json_and_binary_tensors_stand_side_by_side():
    assert rows_of(ask(CARRIER, DISTANCE, binary(HOUR, 16), tail=struct.pack("<2q", 7, 8))) == ROWS


@pytest.mark.parametrize(
    ("datatype", "code"),
    [
        *(("INT8", "b"), ("INT16", "h"), ("INT32", "i"), ("INT64", "q"), ("FP16", "e"), ("FP32", "f"), ("FP64", "d")),
        *(("UINT8", "B"), ("UINT16", "H"), ("UINT32", "I"), ("UINT64", "Q")),
    ],
)
def test_a_column_of_doubles_takes_every_number_type(datatype, code):
    content = struct.pack(f"<2{code}", 1, 2)
    tensor = binary(DISTANCE | {"datatype": datatype}, len(content))
    assert [row[1] for row in rows_of(ask(CARRIER, HOUR, tensor, tail=content))] == [1, 2]
    in_json = DISTANCE | {"datatype": datatype, "data": [1, 2]}
    assert [row[1] for row in rows_of(ask(CARRIER, in_json, HOUR))] == [1, 2]


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        *(("INT8", 128), ("INT8", -129), ("UINT8", -1), ("UINT8", 256), ("UINT64", -1), ("INT64", 2**63)),
        *(("INT32", 1.0), ("INT32", True), ("BOOL", 1), ("FP32", "1"), ("FP64", True), ("FP64", {})),
        *(("BYTES", 1), ("BYTES", [["AA"]])),
    ],
)  # fmt: skip
def test_a_value_is_of_its_datatype(datatype, value):
    odd = {"name": "distance", "shape": [1], "datatype": datatype, "data": [value]}
    with pytest.raises(BadRequest, match="distance") as refusal:
        ask(odd)
    assert refusal.value.field == "distance"


@pytest.mark.parametrize(
    "odd",
    [
        *({"shape": []}, {"shape": [2, 2]}, {"shape": [2, 1, 1]}, {"shape": [-1]}, {"shape": "2"}, {"shape": [2.0]}),
        *({"shape": [True]}, {"datatype": "FP8"}, {"datatype": ["FP64"]}, {"data": None}, {"data": [1.5]}, {"data": 1}),
        *({"data": [[1.5], 2.0]}, {"data": [[1.5, 1], [2.0]]}, {"parameters": []}, {"shape": [3], "data": [1, 2, 3]}),
        *({"parameters": {"binary_data_size": 8}}, {"parameters": {"shared_memory_region": "mine"}}),
    ],
)
def test_a_tensor_that_is_no_column_is_refused_by_name(odd):
    with pytest.raises(BadRequest, match="distance") as refusal:
        ask(CARRIER, HOUR, DISTANCE | odd)
    assert refusal.value.field == "distance"


@pytest.mark.parametrize(
    ("size", "tail"),
    [(16, b"x" * 15), (16, b"x" * 17), (8, b"x" * 8), (-1, b"x"), (2**63, b"x"), ("16", b"x" * 16), (1.5, b"x")],
)
def test_binary_data_has_the_bytes_it_says(size, tail):
    with pytest.raises(BadRequest):
        ask(CARRIER, DISTANCE, binary(HOUR, size), tail=tail)


@pytest.mark.parametrize(
    "tail", [strings(b"AA"), strings(b"AA", b"UA", b"DL"), b"\xff\xff\xff\xff", b"\x02\x00", strings(b"AA", b"\xff")]
)
def test_binary_strings_fill_their_bytes(tail):
    with pytest.raises(BadRequest, match="carrier"):
        ask(binary(CARRIER, len(tail)), DISTANCE, HOUR, tail=tail)


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"99999", b"", b"1" * 5000, "٣".encode()])
def test_the_length_of_the_json_is_within_the_body(length):
    with pytest.raises(BadRequest) as refusal:
        ask(CARRIER, headers={b"inference-header-content-length": length})
    assert refusal.value.field == "inference-header-content-length"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        *(({"id": 5}, "id"), ({"id": "x" * 257}, "id"), ({"id": "ü"}, "id"), ({"id": "a\nb"}, "id")),
        *(({"outputs": 5}, "outputs"), ({"outputs": [{"name": "proba"}]}, "outputs"), ({"outputs": [1]}, "outputs")),
        *(({"parameters": 5}, "parameters"), ({"outputs": [{"name": "predict", "parameters": 1}]}, "parameters")),
        ({"outputs": [{"name": "predict", "parameters": {"shared_memory_region": "mine"}}]}, "outputs"),
    ],
)
def test_the_rest_of_a_request_is_checked_too(fields, field):
    with pytest.raises(BadRequest) as refusal:
        ask(CARRIER, DISTANCE, HOUR, **fields)
    assert refusal.value.field == field


def test_unknown_parameters_are_let_be():
    asked = ask(CARRIER, DISTANCE, HOUR, id="mine", parameters={"priority": 3}, outputs=[{"name": "predict"}])
    assert (rows_of(asked), asked.request_id) == (ROWS, "mine")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {}, 400),
        (b'{"inputs": []}', {}, 400),
        (b'{"inputs": [5]}', {}, 400),
        (b'{"inputs": [{"name": ""}]}', {}, 400),
        (b"[" * 100_000, {}, 400),
        (json.dumps({"inputs": [DISTANCE | {"shape": [10_001]}]}).encode(), {}, 413),
        (b"{}", {b"content-type": b"text/csv"}, 415),
        (b"{}", {b"content-encoding": b"gzip"}, 415),
    ],
)
def test_bodies_that_hold_no_tensors_are_refused(body, headers, status):
    with pytest.raises(BadRequest) as refusal:
        read_request("tiny", headers, body)
    assert refusal.value.status == status
