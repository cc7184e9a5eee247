"""The Open Inference Protocol v2 over gRPC: a `ModelInferRequest` becomes a table, an answer a `ModelInferResponse`.

The elements of a tensor are in its `contents`, or those of all tensors are in `raw_input_contents`. The answer is raw
if the request is. Tensors are the same as over HTTP, and are read and checked by the same functions.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from google.protobuf.message import DecodeError

from gateway.routing.request import PredictResponse
from gateway.rows.refusals import BadRequest, error_body
from gateway.wire.grpc_messages import ModelInferRequest, ModelInferResponse
from gateway.wire.open_inference import (
    INPUTS_MAX,
    OUTPUT,
    check_id,
    output_tensor,
    read_heads,
    table_of,
    version_name,
    wants_binary,
)
from gateway.wire.protobuf_fields import check_field_count
from gateway.wire.protocol import EncodedResponse, ParsedRequest, WireProtocol
from gateway.wire.tensors import Tensor, elements_in_binary, values_in_binary, values_in_json

Choose = Callable[[Mapping[bytes, bytes], str], str]

_FIELDS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_MESSAGE_FIELDS_MAX = 3 * INPUTS_MAX  # inputs, their raw contents, and whatever else a client sends


def grpc_inference(model_name: str, check_name: Callable[[str], None], choose: Choose) -> WireProtocol:
    """The protocol for one model. `check_name` refuses other names; `choose` gives the digest of a version."""
    read = partial(_read_request, model_name, check_name, choose)
    return WireProtocol("open-inference-grpc", read, error_body)


def _read_request(
    model_name: str, check_name: Callable[[str], None], choose: Choose, headers: Mapping[bytes, bytes], body: bytes
) -> ParsedRequest:
    check_field_count(body, _MESSAGE_FIELDS_MAX)
    try:
        message = ModelInferRequest.FromString(body)
    except DecodeError as exc:
        raise BadRequest("expected an inference.ModelInferRequest, found a message that is none") from exc
    check_name(message.model_name)
    check_id(message.id)
    document = _document(message)
    tensors = read_heads(document)
    wants_binary(document)  # it refuses outputs that do not exist, and shared memory
    raw = len(message.raw_input_contents) > 0
    columns = _raw_columns(message, tensors) if raw else _columns(message, tensors)
    return ParsedRequest(
        table_of(tensors, columns),
        partial(_write, model_name, message.id, raw),
        message.id or None,
        partial(choose, headers, message.model_version) if message.model_version else None,
    )


def _document(message: Any) -> dict[str, Any]:
    """The message without its elements, in the form of the JSON document of the protocol over HTTP."""
    return {
        "inputs": [
            {
                "name": tensor.name,
                "datatype": tensor.datatype,
                "shape": list(tensor.shape[:3]),  # more dimensions than any tensor may have are refused all the same
                "parameters": _shared_memory(tensor),
            }
            for tensor in message.inputs
        ],
        "outputs": [{"name": output.name, "parameters": _shared_memory(output)} for output in message.outputs],
    }


def _shared_memory(tensor: Any) -> dict[str, Any]:
    """The only parameter that is not ignored, because its tensor has no elements in the message."""
    return {"shared_memory_region": ""} if "shared_memory_region" in tensor.parameters else {}


def _raw_columns(message: Any, tensors: Sequence[Tensor]) -> list[Sequence[Any]]:
    contents = message.raw_input_contents
    if len(contents) != len(tensors):
        wanted = f"raw_input_contents has an entry for each of the {len(tensors)} inputs, found {len(contents)}"
        raise BadRequest(wanted, field="raw_input_contents")
    for sent in message.inputs:
        if sent.HasField("contents"):
            wanted = f"tensor {sent.name!r:.80} has contents or an entry in raw_input_contents, found both"
            raise BadRequest(wanted, field=sent.name)
    return [values_in_binary(tensor, content) for tensor, content in zip(tensors, contents, strict=True)]


def _columns(message: Any, tensors: Sequence[Tensor]) -> list[Sequence[Any]]:
    return [_contents(tensor, sent.contents) for tensor, sent in zip(tensors, message.inputs, strict=True)]


def _contents(tensor: Tensor, contents: Any) -> Sequence[Any]:
    """The elements in the field of the tensor's datatype; a NaN stands for a missing value."""
    field = _FIELDS.get(tensor.datatype)
    if field is None:
        message = f"tensor {tensor.name!r:.80} of {tensor.datatype} has its elements in raw_input_contents"
        raise BadRequest(message, field=tensor.name)
    for other, _ in contents.ListFields():
        if other.name != field:
            message = f"tensor {tensor.name!r:.80} of {tensor.datatype} has its elements in {field}, found {other.name}"
            raise BadRequest(message, field=tensor.name)
    elements = getattr(contents, field)
    if len(elements) != tensor.size:
        message = f"tensor {tensor.name!r:.80} has {tensor.size} elements in {field}, found {len(elements)}"
        raise BadRequest(message, field=tensor.name)
    if tensor.datatype == "BYTES":
        return [_text(tensor, element) for element in elements]
    if tensor.datatype in ("FP32", "FP64"):
        return [None if math.isnan(element) else element for element in elements]
    return values_in_json(Tensor(tensor.name, tensor.datatype, tensor.rows, list(elements), None, tensor.columns))


def _text(tensor: Tensor, element: bytes) -> str:
    try:
        return element.decode()
    except UnicodeDecodeError as exc:
        raise BadRequest(f"tensor {tensor.name!r:.80} has strings in UTF-8: {exc}"[:200], field=tensor.name) from exc


def _write(model_name: str, request_id: str, raw: bool, answer: PredictResponse) -> EncodedResponse:
    datatype, shape, values = output_tensor(answer)
    response = ModelInferResponse(model_name=model_name, model_version=version_name(answer), id=request_id)
    response.parameters["rung"].string_param = answer.rung.value
    response.parameters["release_generation"].int64_param = answer.generation
    if answer.version is not None:
        response.parameters["model_digest"].string_param = answer.version.model.digest
    if answer.rung.degraded:
        response.parameters["degraded"].bool_param = True
    output = response.outputs.add(name=OUTPUT, datatype=datatype, shape=shape)
    if raw:
        response.raw_output_contents.append(elements_in_binary(datatype, values))
    else:
        elements = [str(value).encode() for value in values] if datatype == "BYTES" else values
        getattr(output.contents, _FIELDS[datatype]).extend(elements)
    return response.SerializeToString(), ()
