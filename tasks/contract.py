"""The contract of a table: which columns, of which types, with a value where one is needed.

It looks at rows of text and returns typed rows and, for each bad row, why. What Great Expectations adds stands in
`expectations`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.pipeline import ColumnType, Table

if TYPE_CHECKING:
    import pandas as pd

BATCH_DAY = "event_day"  # column that every table of the lake has: the day of the batch


@dataclass(frozen=True, slots=True)
class SchemaGap:
    """Columns that the contract names and the batch lacks, and columns that only the batch has."""

    missing: tuple[str, ...]
    unknown: tuple[str, ...]

    def __str__(self) -> str:
        return f"missing {', '.join(self.missing) or 'none'}; unknown {', '.join(self.unknown) or 'none'}"


@dataclass(frozen=True)
class Typed:
    """Rows in the contract's types, and a reason for each bad one.

    All three are indexed alike. `reasons` is empty text where the row is good; `missing` says of every needed column
    where its value is missing.
    """

    rows: "pd.DataFrame"
    reasons: "pd.Series[str]"
    missing: "pd.DataFrame"


def schema_gap(table: Table, columns: list[str]) -> SchemaGap:
    """What the batch's columns lack, and have too much."""
    return SchemaGap(
        missing=tuple(name for name in table.columns if name not in columns),
        unknown=tuple(name for name in columns if name not in table.columns),
    )


def cast_rows(table: Table, rows: "pd.DataFrame") -> Typed:
    """Cast text to the contract's types. A value that does not fit, or is missing where needed, makes its row bad."""
    import pandas as pd

    reasons = pd.Series("", index=rows.index, dtype=object)
    typed: dict[str, pd.Series[Any]] = {}
    missing: dict[str, pd.Series[bool]] = {}
    for name, kind in table.columns.items():
        typed[name] = _cast(rows[name], kind)
        misfit = typed[name].isna() & rows[name].notna()
        reasons = add_reason(reasons, misfit, f"{name} is no {kind}")
        if name in table.needed:
            missing[name] = rows[name].isna()
            reasons = add_reason(reasons, missing[name], f"{name} is missing")
    return Typed(pd.DataFrame(typed, index=rows.index), reasons, pd.DataFrame(missing, index=rows.index))


def _cast(text: "pd.Series[str]", kind: ColumnType) -> "pd.Series[Any]":
    import pandas as pd

    match kind:
        case "string":
            return text.astype(object)
        case "double":
            return pd.to_numeric(text, errors="coerce").astype("float64")
        case "long":
            number = pd.to_numeric(text, errors="coerce").astype("float64")
            return number.where(number == number.round()).astype("Int64")
        case "boolean":
            truth = {"true": True, "1": True, "false": False, "0": False}
            return text.str.lower().map(truth).astype("boolean")
        case "timestamp":
            return pd.to_datetime(text, errors="coerce", utc=True, format="ISO8601").dt.as_unit("us")


def add_reason(reasons: "pd.Series[str]", bad: "pd.Series[bool]", reason: str) -> "pd.Series[str]":
    """The reasons with one more where `bad`."""
    if not bad.any():
        return reasons
    return reasons.mask(bad, reasons.where(reasons == "", reasons + "; ") + reason)
