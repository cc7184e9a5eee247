"""Over gRPC, tensors become the rows that they become over HTTP, and answers the same tensors."""

import struct
from functools import partial
from types import SimpleNamespace

import orjson
import pytest

from gateway.routing.request import PredictResponse, Rung
from gateway.rows.answers import RowAnswer
from gateway.rows.refusals import BadRequest
from gateway.rows.schema import Binder
from gateway.wire.grpc_inference import grpc_inference
from gateway.wire.grpc_messages import ModelInferRequest, ModelInferResponse
from gateway.wire.open_inference import read_request
from gateway.wire.tensors import elements_in_binary
from healing.release import ModelRef
from releases.manifest import Column, InputSchema
from releases.output import Output

CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
NAN = float("nan")


def check_name(name):
    if name != "tiny":
        raise BadRequest(f"there is no model {name!r}", status=404, code="NOT_FOUND")


PROTOCOL = grpc_inference("tiny", check_name, lambda headers, version: f"digest of {version}")


def message(*tensors, raw=False, **fields):
    """A request with tensors of (name, datatype, shape, values)."""
    request = ModelInferRequest(**{"model_name": "tiny", **fields})
    for name, datatype, shape, values in tensors:
        sent = request.inputs.add(name=name, datatype=datatype, shape=shape)
        if raw:
            request.raw_input_contents.append(elements_in_binary(datatype, values))
        else:
            elements = [value.encode() for value in values] if datatype == "BYTES" else values
            getattr(sent.contents, CONTENTS[datatype]).extend(elements)
    return request


def read(request):
    return PROTOCOL.read({}, request if isinstance(request, bytes) else request.SerializeToString())


def over_http(tensors, *, binary):
    """The same tensors as the body of a request over HTTP."""
    inputs, tail = [], b""
    for name, datatype, shape, values in tensors:
        head = {"name": name, "datatype": datatype, "shape": shape}
        if binary:
            content = elements_in_binary(datatype, values)
            tail += content
            inputs.append(head | {"parameters": {"binary_data_size": len(content)}})
        else:
            numbers = [float(value) for value in values] if datatype.startswith("FP") else values
            inputs.append(head | {"data": [None if str(value) == "nan" else value for value in numbers]})
    document = orjson.dumps({"inputs": inputs})
    headers = {b"inference-header-content-length": str(len(document)).encode()} if binary else {}
    return read_request("tiny", headers, document + tail)


COLUMNS = {
    "string": ("BYTES",),
    "datetime": ("BYTES",),
    "boolean": ("BOOL",),
    **dict.fromkeys(("double", "float", "long", "integer"), tuple({*CONTENTS} - {"BYTES", "BOOL"})),
}
VALUES = {
    "string": ["AA", "", "ü€", "2013-01-01", "7", "NaN"],
    "datetime": ["2013-01-01", "2013-01-01T10:00:00+02:00"],
    "boolean": [True, False],
    "double": [0, 1, 100],
    "float": [0, 1, 100],
    "long": [0, 1, 100],
    "integer": [0, 1, 100],
}


def outcome(parsed, schema):
    """The bound rows with the types of their values, or the refusal."""
    try:
        rows = Binder(schema).bind(parsed().table).rows
    except BadRequest as refusal:
        return refusal.status, refusal.code, refusal.field, str(refusal)
    return [[(type(value), value) for value in row] for row in rows]


@pytest.mark.parametrize(
    ("datatype", "raw"), [*((name, raw) for name in CONTENTS for raw in (True, False)), ("FP16", True)]
)
@pytest.mark.parametrize("nullable", [True, False], ids=["nullable", "filled"])
@pytest.mark.parametrize("kind", COLUMNS)
def test_every_datatype_in_every_column_gives_what_it_gives_over_http(kind, datatype, nullable, raw):
    schema = InputSchema(columns=(Column(name="x", type=kind, nullable=nullable),))
    kinds = {"BYTES": "string" if kind == "string" else "datetime", "BOOL": "boolean"}
    floats = [1.5, NAN, -0.0, 1e300 if datatype == "FP64" else 1e3]
    cases = [VALUES[kinds.get(datatype, "long")], *([[value] for value in floats] if datatype.startswith("FP") else ())]
    for values in cases:
        tensor = ("x", datatype, [len(values)], values)
        over_grpc = outcome(partial(read, message(tensor, raw=raw)), schema)
        assert over_grpc == outcome(partial(over_http, [tensor], binary=True), schema)
        if datatype not in ("FP16", "FP32"):  # JSON has doubles only
            assert over_grpc == outcome(partial(over_http, [tensor], binary=False), schema)


def test_half_floats_are_sent_raw():
    request = ModelInferRequest(model_name="tiny")
    request.inputs.add(name="x", datatype="FP16", shape=[1])
    with pytest.raises(BadRequest, match="raw_input_contents"):
        read(request)


@pytest.mark.parametrize(("datatype", "value"), [("INT64", 2**63 - 1), ("INT64", -(2**63)), ("UINT64", 2**64 - 1)])
@pytest.mark.parametrize("raw", [True, False])
def test_large_integers_are_exact(datatype, value, raw):
    assert read(message(("x", datatype, [1], [value]), raw=raw)).table.rows[0][0] == value


@pytest.mark.parametrize("raw", [True, False])
def test_one_tensor_may_have_all_columns(raw):
    parsed = read(message(("features", "FP32", [2, 3], [1, 2, 3, 4, NAN, 6]), raw=raw))
    assert [list(row) for row in parsed.table.rows] == [[1, 2, 3], [4, None, 6]]
    assert parsed.table.columns is None


CARRIER = ("carrier", "BYTES", [2], ["AA", "UA"])
HOUR = ("hour", "INT64", [2], [7, 8])


@pytest.mark.parametrize(
    ("tensors", "raw", "found"),
    [
        ([], False, "inputs"),
        ([("", "INT64", [1], [1])], False, "has a name"),
        ([("hour", "INT65", [1], [])], False, "hour"),
        ([("hour", "INT64", [], [7])], False, "hour"),
        ([("hour", "INT64", [1, 1, 1], [7])], False, "hour"),
        ([("hour", "INT64", [0], [])], False, "no rows"),
        ([("hour", "INT64", [-1], [7])], False, "hour"),
        ([("hour", "INT64", [2**62], [7])], False, "at most"),
        ([("hour", "INT64", [2], [7])], False, "hour"),
        ([("hour", "INT64", [2], [7])], True, "hour"),
        ([CARRIER, ("hour", "INT64", [3], [7, 8, 9])], False, "hour"),
        ([CARRIER, ("hour", "INT64", [2, 2], [7, 8, 9, 10])], True, "hour"),
        ([("hour", "INT8", [1], [128])], False, "INT8"),
        ([("hour", "UINT16", [1], [65536])], False, "UINT16"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(tensors, raw, found):
    request = ModelInferRequest(model_name="tiny")
    for name, datatype, shape, values in tensors:
        sent = request.inputs.add(name=name, datatype=datatype, shape=shape)
        if raw:
            request.raw_input_contents.append(elements_in_binary(datatype, values))
        elif values:
            field = CONTENTS.get(datatype, "int64_contents")
            getattr(sent.contents, field).extend([v.encode() if type(v) is str else v for v in values])
    with pytest.raises(BadRequest, match=found):
        read(request)


def test_contents_in_the_field_of_another_datatype_are_refused():
    request = message(HOUR)
    request.inputs[0].contents.fp64_contents.append(1.0)
    with pytest.raises(BadRequest, match=r"'hour'.*int64_contents, found fp64_contents"):
        read(request)


def test_contents_are_raw_or_not_and_all_of_them():
    both = message(CARRIER, HOUR, raw=True)
    both.inputs[1].contents.int64_contents.append(7)
    with pytest.raises(BadRequest, match="found both"):
        read(both)
    missing = message(CARRIER, HOUR, raw=True)
    del missing.raw_input_contents[1]
    with pytest.raises(BadRequest, match="each of the 2 inputs, found 1"):
        read(missing)


@pytest.mark.parametrize("content", [struct.pack("<I", 3) + b"AA", struct.pack("<I", 2) + b"\xff\xfe", b"", b"\x01"])
def test_raw_strings_fill_their_bytes_and_are_utf_8(content):
    request = message(("carrier", "BYTES", [1], ["AA"]), raw=True)
    request.raw_input_contents[0] = content
    with pytest.raises(BadRequest, match="carrier"):
        read(request)


def test_strings_in_contents_are_utf_8():
    request = message(CARRIER)
    request.inputs[0].contents.bytes_contents[0] = b"\xff"
    with pytest.raises(BadRequest, match="carrier"):
        read(request)


@pytest.mark.parametrize("body", [b"no message", b"\x0a\xff", b"\x2a\x05\x0a\xff\xff\xff\xff", b"\x0a\x02\xff\xfe"])
def test_what_is_no_message_is_refused(body):
    with pytest.raises(BadRequest, match="expected"):
        read(body)


def test_shared_memory_and_other_outputs_are_refused():
    request = message(HOUR)
    request.inputs[0].parameters["shared_memory_region"].string_param = "mine"
    with pytest.raises(BadRequest, match="shared memory"):
        read(request)
    request = message(HOUR)
    request.outputs.add(name="probabilities")
    with pytest.raises(BadRequest, match="'predict'"):
        read(request)
    request = message(HOUR)
    request.outputs.add(name="predict").parameters["shared_memory_region"].string_param = "mine"
    with pytest.raises(BadRequest, match="shared memory"):
        read(request)


def test_unknown_parameters_are_ignored_and_the_id_is_the_requests():
    request = message(HOUR, id="mine")
    request.parameters["priority"].uint64_param = 3
    request.inputs[0].parameters["binary_data_size"].int64_param = 16
    request.outputs.add(name="predict").parameters["classification"].int64_param = 0
    assert read(request).request_id == "mine"
    assert read(message(HOUR)).request_id is None
    with pytest.raises(BadRequest, match="printable"):
        read(message(HOUR, id="a\nb"))


def test_the_name_is_checked_and_a_version_is_chosen():
    with pytest.raises(BadRequest) as refusal:
        read(message(HOUR, model_name="other"))
    assert refusal.value.status == 404
    assert read(message(HOUR)).choose is None
    assert read(message(HOUR, model_version="0.2.0")).choose() == "digest of 0.2.0"


OUTPUTS = [
    (None, [0.25, 0.5], "FP64", [2], "fp64_contents", [0.25, 0.5]),
    (Output(kind="label", names=(1, 2)), [0, 1], "INT64", [2], "int64_contents", None),
    (Output(kind="label", names=("near", "far")), [0, 1], "BYTES", [2], "bytes_contents", None),
    (
        Output(kind="probabilities", names=("a", "b", "c")),
        [RowAnswer(0, [0.7, 0.2, 0.1]), RowAnswer(1, [0.1, 0.8, 0.1])],
        "FP64",
        [2, 3],
        "fp64_contents",
        [0.7, 0.2, 0.1, 0.1, 0.8, 0.1],
    ),
]


@pytest.mark.parametrize(("output", "values", "datatype", "shape", "field", "elements"), OUTPUTS)
@pytest.mark.parametrize("raw", [True, False])
def test_an_answer_is_the_tensor_that_it_is_over_http_and_raw_if_the_request_is(
    output, values, datatype, shape, field, elements, raw
):
    version = SimpleNamespace(model=ModelRef("a" * 64, "1.2.3"))
    answer = PredictResponse(values, Rung.FALLBACK, version, 7, (), (), 0.0, output=output)
    body, headers = read(message(HOUR, raw=raw, id="mine")).write(answer)
    response = ModelInferResponse.FromString(body)
    assert (response.model_name, response.model_version, response.id, headers) == ("tiny", "1.2.3", "mine", ())
    (tensor,) = response.outputs
    assert (tensor.name, tensor.datatype, list(tensor.shape)) == ("predict", datatype, shape)
    http = orjson.loads(over_http([HOUR], binary=False).write(answer)[0])["outputs"][0]
    assert (http["datatype"], http["shape"]) == (datatype, shape)
    assert elements is None or http["data"] == elements
    if raw:
        assert list(response.raw_output_contents) == [elements_in_binary(datatype, http["data"])]
        assert not tensor.HasField("contents")
    else:
        sent = list(getattr(tensor.contents, field))
        assert [each.decode() if type(each) is bytes else each for each in sent] == http["data"]
        assert not response.raw_output_contents
    parameters = {
        name: getattr(value, value.WhichOneof("parameter_choice")) for name, value in response.parameters.items()
    }
    assert parameters == {
        "rung": "fallback",
        "release_generation": 7,
        "model_digest": "a" * 64,
        "degraded": True,
    }
