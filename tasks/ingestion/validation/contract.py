"""The contract of a table's columns: which there are, of which types, with a value where one is needed.

It looks at rows of text and returns typed rows, and where a value does not fit or is missing.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.config.table import ColumnType, Table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class SchemaGap:
    """Columns that the contract names and the batch lacks, and columns that only the batch has."""

    missing: tuple[str, ...]
    unknown: tuple[str, ...]

    def __str__(self) -> str:
        return f"missing {', '.join(self.missing) or 'none'}; unknown {', '.join(self.unknown) or 'none'}"


@dataclass(frozen=True)
class Typed:
    """Rows in the contract's types. `misfit` says where a text is there and no value of its type, `missing` where
    there is none. All three have the same index and columns."""

    rows: "pd.DataFrame"
    misfit: "pd.DataFrame"
    missing: "pd.DataFrame"


def schema_gap(table: Table, columns: list[str]) -> SchemaGap:
    """What the batch's columns lack, and have too much."""
    return SchemaGap(
        missing=tuple(name for name in table.columns if name not in columns),
        unknown=tuple(name for name in columns if name not in table.columns),
    )


def cast_rows(table: Table, rows: "pd.DataFrame") -> Typed:
    """Cast text to the contract's types."""
    import pandas as pd

    typed = {name: cast(rows[name], kind) for name, kind in table.columns.items()}
    return Typed(
        pd.DataFrame(typed, index=rows.index),
        pd.DataFrame({name: typed[name].isna() & rows[name].notna() for name in typed}, index=rows.index),
        pd.DataFrame({name: rows[name].isna() for name in typed}, index=rows.index),
    )


def cast(text: "pd.Series[str]", kind: ColumnType) -> "pd.Series[Any]":
    """One column in its type, missing where the text is no such value. A double is finite, a long is whole."""
    import numpy as np
    import pandas as pd

    match kind:
        case "string":
            return text.astype(object)
        case "double":
            number = pd.to_numeric(text, errors="coerce").astype("float64")
            return number.where(np.isfinite(number))
        case "long":
            number = pd.to_numeric(text, errors="coerce").astype("float64")
            return number.where((number == number.round()) & (number.abs() < 2**53)).astype("Int64")
        case "boolean":
            truth = {"true": True, "1": True, "false": False, "0": False}
            return text.str.lower().map(truth).astype("boolean")
        case "timestamp":
            return pd.to_datetime(text, errors="coerce", utc=True, format="ISO8601").dt.as_unit("us")
