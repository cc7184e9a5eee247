"""The values of one column type: which JSON values fit, and what they are read as."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from releases.manifest import ColumnType

_LONG_MIN, _LONG_MAX = -(2**63), 2**63 - 1
_LONG_CHARACTERS_MAX = 20
_INTEGER_MIN, _INTEGER_MAX = -(2**31), 2**31 - 1
_FLOAT_EXACT = 2**53  # a larger float may stand for another integer than the one that a client meant
_FLOAT32_MAX = float.fromhex("0x1.fffffep+127")
_YEARS = range(1678, 2262)  # of a time in nanoseconds, as pandas keeps it
_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0"})
# What pandas reads as a missing number in CSV. In a column of strings only an empty field is missing.
_MISSING_NUMBERS = frozenset({"nan", "na", "n/a", "null", "none", "<na>"})
_NUMBERS = frozenset({"double", "float", "long", "integer"})


def is_long(value: Any) -> bool:
    """Whether a value is an integer of 64 bits."""
    return type(value) is int and _LONG_MIN <= value <= _LONG_MAX


def _is_string(value: Any) -> bool:
    return type(value) is str


def _is_double(value: Any) -> bool:
    kind = type(value)
    return (kind is float and math.isfinite(value)) or (kind is int and abs(value) <= _LONG_MAX)


def _is_float(value: Any) -> bool:
    return _is_double(value) and abs(value) <= _FLOAT32_MAX


def _is_boolean(value: Any) -> bool:
    return type(value) is bool


def _whole(value: float) -> int:
    """A float as the integer that it stands for, such as 3.0; ValueError for any other."""
    if not value.is_integer() or abs(value) > _FLOAT_EXACT:
        raise ValueError(value)
    return int(value)


def _integer(value: float) -> int:
    """An integer of 32 bits, from an int or a whole float; ValueError for any other."""
    number = _whole(value) if type(value) is float else int(value)
    if not _INTEGER_MIN <= number <= _INTEGER_MAX:
        raise ValueError(value)
    return number


def _moment(text: str) -> str:
    """A time in ISO 8601, without its time zone: in UTC where it has one; ValueError for other texts."""
    moment = datetime.fromisoformat(text)
    if moment.year not in _YEARS:
        raise ValueError(text)
    return (moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)).isoformat()


_CHECKS: dict[ColumnType, Callable[[Any], bool]] = {
    "string": _is_string,
    "double": _is_double,
    "float": _is_float,
    "long": is_long,
    "boolean": _is_boolean,
}
_CONVERSIONS: dict[tuple[ColumnType, type], Callable[[Any], Any]] = {
    ("long", float): _whole,
    ("integer", float): _integer,
    ("integer", int): _integer,
    ("datetime", str): _moment,
}


def conversion(column_type: ColumnType, kind: type) -> Callable[[Any], Any] | None:
    """What reads a value of a Python type in a column, with ValueError where it does not fit; None for `fits` alone."""
    return _CONVERSIONS.get((column_type, kind))


def fits(column_type: ColumnType, value: Any) -> bool:
    """Whether a value that is not missing has the column's type, or can be converted to it without loss."""
    convert = _CONVERSIONS.get((column_type, type(value)))
    if convert is None:
        check = _CHECKS.get(column_type)
        return check is not None and check(value)
    try:
        convert(value)
    except ValueError:
        return False
    return True


def read_text(column_type: ColumnType, text: str | None) -> Any:
    """A CSV field as the column's type; text that is not of that type is returned as it is, and refused later."""
    if not text or (column_type != "string" and text.strip().lower() in _MISSING_NUMBERS):
        return None
    try:
        if column_type in _NUMBERS:
            return _read_number(column_type, text)
    except ValueError:
        return text
    if column_type == "boolean":
        lowered = text.strip().lower()
        return True if lowered in _TRUE else False if lowered in _FALSE else text
    return text


def _read_number(column_type: ColumnType, text: str) -> Any:
    if "_" in text or not text.isascii():
        return text  # Python reads 1_000 and the digits of other scripts as numbers, and pandas does not
    if column_type in ("double", "float") or len(text) > _LONG_CHARACTERS_MAX:
        return float(text)
    try:
        return int(text)  # exact also beyond what a float holds
    except ValueError:
        return float(text)
