"""One tensor of the Open Inference Protocol is one column of a table: shape [n] or [n, 1], in JSON or in binary.

A request with a single tensor may have all columns in it: shape [n, columns], row by row.

JSON values have the type of the datatype, null is a missing value, and FP values may be written without a point. Binary
values are little-endian, one after the other; BYTES elements start with their length as a 32-bit number. Binary has no
null: a NaN in an FP tensor stands for a missing value.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.rows.refusals import BadRequest
from gateway.rows.table import check_row_count

_CODES = {
    "BOOL": "?",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "FP16": "e",
    "FP32": "f",
    "FP64": "d",
}
_FLOATS = frozenset({"FP16", "FP32", "FP64"})
DATATYPES = (*_CODES, "BYTES")
_COLUMNS_MAX = 10_000
_ELEMENT_LENGTH = struct.Struct("<I")
_INTEGERS = {
    **{f"INT{bits}": range(-(1 << bits - 1), 1 << bits - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": range(1 << bits) for bits in (8, 16, 32, 64)},
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """The head of an input tensor. `binary_size` is the bytes it has behind the JSON, None where its data is in it."""

    name: str
    datatype: str
    rows: int
    data: Any
    binary_size: int | None
    columns: int = 1

    @property
    def size(self) -> int:
        """Its number of elements."""
        return self.rows * self.columns


def read_head(document: Any, index: int) -> Tensor:
    """The tensor at `inputs[index]`; BadRequest names it and what is wrong with it."""
    where = f"inputs[{index}]"
    if type(document) is not dict:
        raise BadRequest(f"{where} is an object with name, shape, datatype and data", field=where)
    name = document.get("name")
    if type(name) is not str or not name:
        raise BadRequest(f"{where} has a name", field=f"{where}.name")
    datatype, shape = document.get("datatype"), document.get("shape")
    if type(datatype) is not str or datatype not in DATATYPES:
        raise _refusal(name, f"has a datatype of {', '.join(DATATYPES)}")
    if type(shape) is not list or not 1 <= len(shape) <= 2 or any(type(n) is not int for n in shape):
        raise _refusal(name, "has the shape [n] or [n, columns]")
    columns = 1 if len(shape) == 1 else shape[1]
    if not 1 <= columns <= _COLUMNS_MAX or shape[0] < 0:
        raise _refusal(name, f"has the shape [n] or [n, columns] with 1 to {_COLUMNS_MAX} columns, found {shape}"[:200])
    check_row_count(shape[0])
    return Tensor(name, datatype, shape[0], document.get("data"), _binary_size(name, document), columns)


def _binary_size(name: str, document: dict[str, Any]) -> int | None:
    parameters = document.get("parameters")
    if parameters is None:
        parameters = {}
    if type(parameters) is not dict:
        raise _refusal(name, "has parameters that are an object")
    if "shared_memory_region" in parameters:
        raise _refusal(name, "is in shared memory, which this server does not read: send the data itself")
    size = parameters.get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size < 0:
        raise _refusal(name, "has a binary_data_size that is a number of bytes")
    if "data" in document:
        raise _refusal(name, "has either data or a binary_data_size, found both")
    return size


def values_in_json(tensor: Tensor) -> Sequence[Any]:
    """The values of `data`, flat or as a list for each row."""
    values = tensor.data
    if type(values) is list and any(type(value) is list for value in values):
        if any(type(row) is not list or len(row) != tensor.columns for row in values):
            raise _refusal(tensor.name, f"has {tensor.columns} values in each row of its data")
        values = [value for row in values for value in row]
    if type(values) is not list or len(values) != tensor.size:
        found = len(values) if type(values) is list else type(values).__name__
        raise _refusal(tensor.name, f"has data of {tensor.size} values, found {found}")
    for value in values:
        if not _fits(tensor.datatype, value):
            raise _refusal(tensor.name, f"has values of datatype {tensor.datatype}, found {value!r:.80}")
    return values


def _fits(datatype: str, value: Any) -> bool:
    kind = type(value)
    if value is None:
        return True  # whether a value may be missing is the schema's business
    if datatype == "BYTES":
        return kind is str
    if datatype == "BOOL":
        return kind is bool
    if datatype in _FLOATS:
        return kind is float or kind is int
    return kind is int and value in _INTEGERS[datatype]


def values_in_binary(tensor: Tensor, content: bytes) -> Sequence[Any]:
    """The values of a binary tensor; `content` has the `binary_size` bytes that are its own."""
    if tensor.datatype == "BYTES":
        return _strings(tensor, content)
    form = f"<{tensor.size}{_CODES[tensor.datatype]}"
    if len(content) != struct.calcsize(form):
        wanted = struct.calcsize(form)
        raise _refusal(tensor.name, f"has {wanted} bytes for its {tensor.size} values, found {len(content)}")
    values = struct.unpack(form, content)
    if tensor.datatype in _FLOATS:
        return [None if math.isnan(value) else value for value in values]
    return values


def elements_in_binary(datatype: str, values: Sequence[Any]) -> bytes:
    """The bytes of an output tensor."""
    if datatype == "BYTES":
        encoded = [str(value).encode() for value in values]
        return b"".join([part for element in encoded for part in (_ELEMENT_LENGTH.pack(len(element)), element)])
    return struct.pack(f"<{len(values)}{_CODES[datatype]}", *values)


def _strings(tensor: Tensor, content: bytes) -> list[str]:
    values: list[str] = []
    at = 0
    while at < len(content) and len(values) < tensor.size:
        if at + _ELEMENT_LENGTH.size > len(content):
            break
        (length,) = _ELEMENT_LENGTH.unpack_from(content, at)
        start = at + _ELEMENT_LENGTH.size
        at = start + length
        if at > len(content):
            break
        try:
            values.append(content[start:at].decode())
        except UnicodeDecodeError as exc:
            raise _refusal(tensor.name, f"has strings in UTF-8: {exc}"[:200]) from exc
    if len(values) != tensor.size or at != len(content):
        raise _refusal(tensor.name, f"has {tensor.size} elements of BYTES that fill its {len(content)} bytes")
    return values


def _refusal(name: str, what: str) -> BadRequest:
    return BadRequest(f"tensor {name!r:.80} {what}", field=name)
