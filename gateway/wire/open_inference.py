"""The Open Inference Protocol v2 (KServe, Triton, MLServer): an input tensor per column, an output tensor `predict`.

A single tensor may have all columns, in the order of the schema.

With `Inference-Header-Content-Length: N` the first N bytes of a body are the JSON, and behind it stand the tensors that
have `binary_data_size`, in the order of the JSON. The answer is binary where a request asks for it, as Triton's
clients do by default.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import orjson

from gateway.routing.request import PredictResponse
from gateway.rows.answers import outputs_of
from gateway.rows.refusals import BadRequest
from gateway.rows.table import RequestTable
from gateway.wire.asgi import JSON, Header
from gateway.wire.json_body import parse_object
from gateway.wire.protocol import EncodedResponse, ParsedRequest, WireProtocol
from gateway.wire.tensors import Tensor, elements_in_binary, read_head, values_in_binary, values_in_json
from releases.output import Output

OUTPUT = "predict"
_ID_CHARACTERS_MAX = 256
INPUTS_MAX = 10_000
_BINARY: Header = (b"content-type", b"application/octet-stream")
_MEDIA_TYPES = frozenset({"application/json", "application/octet-stream", ""})


def open_inference(model_name: str) -> WireProtocol:
    """The protocol as it is spoken about one model."""
    return WireProtocol("open-inference", partial(read_request, model_name), refuse)


def refuse(code: str, message: str, field: str | None = None) -> bytes:  # noqa: ARG001  one shape for every protocol
    """The protocol's error has a message and no place for more; the message names the field."""
    return orjson.dumps({"error": message})


def read_request(model_name: str, headers: Mapping[bytes, bytes], body: bytes) -> ParsedRequest:
    """The tensors of an inference request as a table; BadRequest names the tensor that is wrong."""
    _check_media_type(headers)
    head, tail = _split(headers, body)
    document = parse_object(head, "a JSON object with `inputs`")
    request_id = document.get("id")
    if request_id is not None:
        check_id(request_id)
    tensors = read_heads(document)
    columns = _columns(tensors, tail)
    write = partial(_write, model_name, request_id, wants_binary(document))
    return ParsedRequest(table_of(tensors, columns), write, request_id or None)


def table_of(tensors: Sequence[Tensor], columns: Sequence[Sequence[Any]]) -> RequestTable:
    """A tensor per column, by name; or one tensor with all columns, in the order of the schema."""
    width = tensors[0].columns
    if width == 1:
        return RequestTable(tuple(tensor.name for tensor in tensors), list(zip(*columns, strict=True)))
    values = columns[0]
    return RequestTable(None, [values[at : at + width] for at in range(0, len(values), width)])


def _check_media_type(headers: Mapping[bytes, bytes]) -> None:
    if b"content-encoding" in headers:
        raise BadRequest("send the body as it is, without content-encoding", field="content-encoding", status=415)
    media_type = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES:
        message = f"content types are application/json and application/octet-stream, found {media_type!r:.80}"
        raise BadRequest(message, status=415)


def _split(headers: Mapping[bytes, bytes], body: bytes) -> tuple[bytes, bytes]:
    """The JSON, and the binary data behind it."""
    stated = headers.get(b"inference-header-content-length")
    if stated is None:
        return body, b""
    length = int(stated) if stated.isdigit() and len(stated) < 12 else -1
    if not 0 <= length <= len(body):
        message = f"Inference-Header-Content-Length is at most the body's {len(body)} bytes, found {stated!r:.40}"
        raise BadRequest(message, field="inference-header-content-length")
    return body[:length], body[length:]


def check_id(request_id: Any) -> None:
    """It names the request in the log and comes back in a header, so it is what a header can hold."""
    if type(request_id) is not str or len(request_id) > _ID_CHARACTERS_MAX:
        raise BadRequest(f"id is a string of at most {_ID_CHARACTERS_MAX} characters", field="id")
    if not (request_id.isascii() and (request_id.isprintable() or not request_id)):
        raise BadRequest("id has printable ASCII characters", field="id")


def read_heads(document: dict[str, Any]) -> list[Tensor]:
    """The heads of `inputs`, which have the same number of rows; BadRequest names the tensor that is wrong."""
    inputs = document.get("inputs")
    if type(inputs) is not list or not 1 <= len(inputs) <= INPUTS_MAX:
        raise BadRequest("inputs is a list of tensors, one for each column", field="inputs")
    tensors = [read_head(item, index) for index, item in enumerate(inputs)]
    rows = tensors[0].rows
    for tensor in tensors:
        if tensor.columns > 1 and len(tensors) > 1:
            message = f"tensor {tensor.name!r:.80} has {tensor.columns} columns: with several tensors each is a column"
            raise BadRequest(message, field=tensor.name)
        if tensor.rows != rows:
            message = f"tensor {tensor.name!r:.80} has {tensor.rows} rows, the first one {rows}: tensors are columns"
            raise BadRequest(message, field=tensor.name)
    return tensors


def _columns(tensors: Sequence[Tensor], tail: bytes) -> list[Sequence[Any]]:
    columns, at = [], 0
    for tensor in tensors:
        if tensor.binary_size is None:
            columns.append(values_in_json(tensor))
        else:
            columns.append(values_in_binary(tensor, tail[at : at + tensor.binary_size]))
            at += tensor.binary_size
    if at != len(tail):
        message = f"the tensors name {at} bytes of binary data, found {len(tail)} behind the JSON"
        raise BadRequest(message, field="inputs")
    return columns


def wants_binary(document: dict[str, Any]) -> bool:
    """Whether the answer is to be binary: said for the output, else for all; other parameters are let be."""
    wanted = _parameters(document, "the request").get("binary_data_output", False)
    outputs = document.get("outputs")
    if outputs is None:
        return wanted is True
    if type(outputs) is not list:
        raise BadRequest("outputs is a list of tensors", field="outputs")
    for output in outputs:
        name = output.get("name") if type(output) is dict else None
        if name != OUTPUT:
            raise BadRequest(f"the one output is {OUTPUT!r}, found {name!r:.80}", field="outputs")
        parameters = _parameters(output, f"output {OUTPUT!r}")
        if "shared_memory_region" in parameters:
            message = f"output {OUTPUT!r} is answered in the body: this server writes no shared memory"
            raise BadRequest(message, field="outputs")
        wanted = parameters.get("binary_data", wanted)
    return wanted is True


def _parameters(document: dict[str, Any], whose: str) -> dict[str, Any]:
    parameters = document.get("parameters")
    if parameters is None:
        return {}
    if type(parameters) is not dict:
        raise BadRequest(f"parameters of {whose} are an object", field="parameters")
    return parameters


def _write(model_name: str, request_id: str | None, binary: bool, answer: PredictResponse) -> EncodedResponse:
    datatype, shape, values = output_tensor(answer)
    output: dict[str, Any] = {"name": OUTPUT, "datatype": datatype, "shape": shape}
    document: dict[str, Any] = {
        "model_name": model_name,
        "model_version": version_name(answer),
        "outputs": [output],
    }
    if request_id is not None:
        document["id"] = request_id
    if not binary:
        output["data"] = values
        return orjson.dumps(document), (JSON,)
    content = elements_in_binary(datatype, values)
    output["parameters"] = {"binary_data_size": len(content)}
    head = orjson.dumps(document)
    length = (b"inference-header-content-length", str(len(head)).encode())
    return head + content, (_BINARY, length)


def version_name(answer: PredictResponse) -> str:
    """The version that answered, or `baseline`."""
    return "baseline" if answer.version is None else answer.version.model.version


def output_tensor(answer: PredictResponse) -> tuple[str, list[int], list[Any]]:
    """Datatype, shape and elements of the output tensor."""
    shape = [len(answer.values)]
    if answer.output is not None and answer.output.width:
        shape.append(answer.output.width)
    return datatype_of(answer.output), shape, _flat_values(answer)


def _flat_values(answer: PredictResponse) -> list[Any]:
    """The elements of the output tensor, row by row. A value that stands for no label has an element all the same."""
    output = answer.output
    if output is None:
        return list(answer.values)
    if output.width:
        return [number for row in outputs_of(answer.values) for number in row]
    unknown: Any = 0 if output.has_numbers else ""
    return [unknown if label is None else label for label in output.shown(answer.values, ())]


def datatype_of(output: Output | None) -> str:
    """The datatype of the output tensor: FP64, or that of the labels."""
    if output is None or output.kind != "label":
        return "FP64"
    if not output.has_numbers:
        return "BYTES"
    return "INT64" if all(type(name) is int for name in output.names) else "FP64"
