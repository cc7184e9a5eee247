"""Counts the fields of a protobuf message before it is parsed.

An empty message inside another takes two bytes, and a hundred once it is parsed. So a message of some megabytes could
take hundreds.
"""

from gateway.rows.refusals import BadRequest

_VARINT_BYTES_MAX = 10
_SIZES = {1: 8, 5: 4}  # in bytes, of fields with a fixed size, by wire type
_VARINT, _LENGTH_DELIMITED = 0, 2  # wire types


def check_field_count(body: bytes, fields_max: int) -> None:
    """BadRequest if the message has more fields than this, or is none; fields within fields are not counted."""
    at, end, found = 0, len(body), 0
    while at < end:
        found += 1
        if found > fields_max:
            raise BadRequest(f"a message has at most {fields_max} fields", field="inputs", status=413)
        tag, at = _varint(body, at)
        kind = tag & 7
        if kind == _LENGTH_DELIMITED:
            size, at = _varint(body, at)
            at += size
        elif kind == _VARINT:
            _, at = _varint(body, at)
        elif kind in _SIZES:
            at += _SIZES[kind]
        else:
            raise BadRequest("expected a protobuf message, found a group or no message")
    if at != end:
        raise BadRequest("expected a protobuf message, found one that is cut off")


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """The number at this place, and the place behind it."""
    number = 0
    for shift, byte in enumerate(body[at : at + _VARINT_BYTES_MAX]):
        number |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return number, at + shift + 1
    raise BadRequest("expected a protobuf message, found a number that does not end")
