"""The columns of a batch: which ones there are, and their values in the types of the contract."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.config.table import ColumnType, Table

if TYPE_CHECKING:
    import pandas as pd


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
