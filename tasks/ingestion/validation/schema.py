"""The columns of a batch: which ones there are, and their values in the types of the contract."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.config.table import ColumnType, Table

if TYPE_CHECKING:
    import pandas as pd

_DOUBLE_EXACT_MAX = 2**53  # doubles skip whole numbers above it
_INTEGER = re.compile(r"[+-]?\d+")


@dataclass(frozen=True, slots=True)
class SchemaGap:
    """Columns of the contract that the batch lacks, and columns of the batch that the contract does not have."""

    missing: tuple[str, ...]
    unknown: tuple[str, ...]

    def __str__(self) -> str:
        return f"missing {', '.join(self.missing) or 'none'}; unknown {', '.join(self.unknown) or 'none'}"


@dataclass(frozen=True)
class TypedRows:
    """Rows in the types of the contract.

    `misfit` is true where the text is not a value of its column's type, `missing` where there is no text. All three
    frames have the same index and columns.
    """

    rows: "pd.DataFrame"
    misfit: "pd.DataFrame"
    missing: "pd.DataFrame"


def schema_gap(table: Table, columns: list[str]) -> SchemaGap:
    """The difference between a batch's columns and those of the contract."""
    return SchemaGap(
        missing=tuple(name for name in table.columns if name not in columns),
        unknown=tuple(name for name in columns if name not in table.columns),
    )


def cast_rows(table: Table, rows: "pd.DataFrame") -> TypedRows:
    """Cast every column of text to its type."""
    import pandas as pd

    typed = {name: cast_column(rows[name], kind) for name, kind in table.columns.items()}
    return TypedRows(
        pd.DataFrame(typed, index=rows.index),
        pd.DataFrame({name: typed[name].isna() & rows[name].notna() for name in typed}, index=rows.index),
        pd.DataFrame({name: rows[name].isna() for name in typed}, index=rows.index),
    )


def cast_column(text: "pd.Series[str]", kind: ColumnType) -> "pd.Series[Any]":
    """One column in its type; missing where the text is not such a value. A double is finite, a long is whole."""
    import pandas as pd

    match kind:
        case "string":
            return text.astype(object)
        case "double":
            return exact_doubles(text)
        case "long":
            return _exact_integers(text)
        case "boolean":
            truth = {"true": True, "1": True, "false": False, "0": False}
            return text.str.lower().map(truth).astype("boolean")
        case "timestamp":
            return pd.to_datetime(text, errors="coerce", utc=True, format="ISO8601").dt.as_unit("us")


def exact_doubles(text: "pd.Series[str]") -> "pd.Series[float]":
    """The nearest double of each text, NaN where there is no finite one.

    Where Arrow does not read every text as a finite number, pandas decides which texts are numbers. Its own conversion
    may differ from the nearest double in the last digit.
    """
    import numpy as np
    import pandas as pd

    plain = _plain_values(text, pa.float64())
    if plain is not None and pc.all(pc.is_finite(plain)).as_py() is not False:
        return pd.Series(plain.to_numpy(zero_copy_only=False), index=text.index, dtype="float64")
    number = pd.to_numeric(text, errors="coerce").astype("float64")
    number = number.where(np.isfinite(number))
    known = number.notna().to_numpy()
    if not known.any():
        return number
    found = text[known].astype(str)
    try:
        exact = pc.cast(pa.array(found, pa.string()), pa.float64()).to_numpy()
    except pa.ArrowInvalid:  # spaces around a number, or a plus sign
        exact = found.map(float).to_numpy()
    values = number.to_numpy(copy=True)
    values[known] = exact
    return pd.Series(values, index=text.index)


def _plain_values(text: "pd.Series[str]", kind: pa.DataType) -> pa.Array | None:
    """The texts in an Arrow type, null where there is none; None unless all texts are plain decimal numbers.

    A short cut for the usual column, without an operation of Python per text. Arrow alone would read hexadecimal ones.
    """
    try:
        found = pa.array(text, pa.string(), from_pandas=True)
        if pc.any(pc.match_substring(found, "x", ignore_case=True)).as_py():
            return None
        return pc.cast(found, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None


def _exact_integers(text: "pd.Series[str]") -> "pd.Series[Any]":
    """Whole numbers of 64 bits. One that is written as 3.0 or 1e3 is below 2^53, where doubles are exact."""
    import pandas as pd

    plain = _plain_values(text, pa.int64())
    if plain is not None:
        return pd.Series(plain.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)).set_axis(text.index)
    number = pd.to_numeric(text, errors="coerce").astype("float64")
    whole = number.where((number == number.round()) & (number.abs() < _DOUBLE_EXACT_MAX)).astype("Int64")
    large = number[number.abs() >= _DOUBLE_EXACT_MAX].index
    if large.empty:
        return whole
    digits = text[large].str.strip()
    values = [int(each) if _INTEGER.fullmatch(each) else None for each in digits]
    fitting = [each if each is not None and -(2**63) <= each < 2**63 else None for each in values]
    whole[large] = pd.array(fitting, dtype="Int64")
    return whole
